import { parentPort, workerData } from 'node:worker_threads';
import { type AuditInput, auditLedger } from './audit.ts';

parentPort!.postMessage(auditLedger(workerData as AuditInput));
