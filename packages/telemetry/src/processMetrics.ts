import { Counter, Gauge, type Registry } from 'prom-client';
import { monitorEventLoop } from './eventLoop.ts';

/** Registers the metrics common to all our processes; returns a function that stops measuring. */
export function addProcessMetrics(registry: Registry): () => void {
  const registers = [registry];
  const monitor = monitorEventLoop();
  let countedSeconds = 0;
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of all threads, user and system.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      const seconds = (user + system) / 1e6;
      this.inc(Math.max(0, seconds - countedSeconds));
      countedSeconds = seconds;
    },
  });
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({ name: 'process_start_time_seconds', help: 'Start time of the process, seconds since 1970.', registers }).set(
    (Date.now() - 1000 * process.uptime()) / 1000,
  );
  const p99 = new Gauge({
    name: 'maestro_event_loop_delay_p99_seconds',
    help: 'Delay of main-thread timers since the last scrape, 99th percentile.',
    registers,
    collect() {
      const { p99Ms, maxMs } = monitor.read({ reset: true });
      p99.set(p99Ms / 1000);
      max.set(maxMs / 1000);
    },
  });
  const max = new Gauge({
    name: 'maestro_event_loop_delay_max_seconds',
    help: 'Delay of main-thread timers since the last scrape, maximum.',
    registers,
  });
  return () => monitor.close();
}
