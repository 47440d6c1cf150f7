export { Counter, Gauge, Histogram, Registry } from 'prom-client';
export { endWithParent } from './endWithParent.ts';
export { type EventLoopDelay, type EventLoopMonitor, monitorEventLoop } from './eventLoop.ts';
export {
  EXPOSITION_TYPE,
  type MetricFamily,
  type MetricSample,
  mergeFamilies,
  parseFamilies,
  printFamilies,
  readFamilies,
  withLabels,
} from './exposition.ts';
export { createLogger, type LineSink, LOG_LEVELS, type LogDestination, type Logger, type LoggerOptions, type LogLevel } from './logger.ts';
export { type MetricsPages, type MetricsServer, serveMetrics } from './metricsServer.ts';
export { addProcessMetrics } from './processMetrics.ts';
export { redactLine } from './redact.ts';
export { type RunServiceOptions, runService } from './runService.ts';
