import { type Metadata, ResponderBuilder, ServerInterceptingCall, type ServerInterceptor, ServerListenerBuilder } from '@grpc/grpc-js';
import { isMaestroError, MaestroError, type Role, toServiceError } from '@maestro/protocol';
import type { Logger } from '@maestro/telemetry';
import { type Access, bearerToken, requireRole } from './tokens.ts';

/** The role that each method needs; `public` needs none. Unlisted methods need `admin`. */
const METHOD_ROLES: Readonly<Record<string, Role | 'public'>> = {
  '/maestro.v1.Jobs/SubmitJob': 'submit',
  '/maestro.v1.Jobs/CancelJob': 'submit',
  '/maestro.v1.Jobs/PauseJob': 'submit',
  '/maestro.v1.Jobs/ResumeJob': 'submit',
  '/maestro.v1.Jobs/GetJob': 'read',
  '/maestro.v1.Jobs/ListJobs': 'read',
  '/maestro.v1.Jobs/WatchJob': 'read',
  '/maestro.v1.Jobs/AuditJob': 'read',
  '/maestro.v1.Jobs/ListWorkers': 'read',
  '/maestro.v1.Jobs/ListCheckpoints': 'read',
  '/maestro.v1.Jobs/ExportMetrics': 'read',
  '/maestro.v1.Jobs/TailLogs': 'read',
  '/maestro.v1.Coordinator/Attach': 'worker',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': 'read',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': 'read',
  '/grpc.health.v1.Health/Check': 'public',
  '/grpc.health.v1.Health/Watch': 'public',
};

/**
 * Guards every gRPC method. A peer with a certificate of the cluster's authority may attach as a worker; everything else needs a token, in
 * the metadata `authorization`, unless none are configured.
 */
export function grpcGuard(access: Access, hasTls: boolean, log: Logger): ServerInterceptor {
  return ({ path }, call) => {
    const needed = METHOD_ROLES[path] ?? 'admin';
    if (access.isOpen || needed === 'public' || (hasTls && needed === 'worker')) return new ServerInterceptingCall(call);
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        requireToken(access, metadata, call.getPeer(), needed).then(
          () => next(metadata),
          (error: unknown) => {
            if (isMaestroError(error, 'unauthenticated') || isMaestroError(error, 'permission-denied'))
              log.warn({ from: call.getPeer(), code: error.code, path }, 'call without a valid token');
            const { code, details, metadata: trailer } = toServiceError(error);
            call.sendStatus({ code: code!, details: details!, metadata: trailer! });
          },
        );
      })
      .build();
    return new ServerInterceptingCall(call, new ResponderBuilder().withStart((next) => next(listener)).build());
  };
}

async function requireToken(access: Access, metadata: Metadata, peer: string, needed: Role): Promise<void> {
  const header = metadata.get('authorization')[0];
  if (header === undefined)
    throw new MaestroError('unauthenticated', 'missing token: send the metadata authorization, `Bearer TOKEN` (MAESTRO_TOKEN)');
  requireRole(await access.byToken(bearerToken(String(header)), placeOf(peer)), needed);
}

/** Returns a peer's host, without its port. */
function placeOf(peer: string): string {
  return peer.replace(/^ipv[46]:/, '').replace(/:\d+$/, '');
}
