export { endWithParent } from './endWithParent.ts';
export { type EventLoopDelay, type EventLoopMonitor, monitorEventLoop } from './eventLoop.ts';
export { createLogger, type LineSink, LOG_LEVELS, type LogDestination, type Logger, type LoggerOptions, type LogLevel } from './logger.ts';
export { redactLine } from './redact.ts';
export { type RunServiceOptions, runService } from './runService.ts';
export { serializeError } from './serializeError.ts';
