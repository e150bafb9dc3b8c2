// How a node lies in memory: it takes the place of one of its honest services.

import type { NodeId } from '../../../src/base/ids.ts';
import type { ServedReply, Service } from '../../../src/base/ports.ts';
import type { Auditor } from '../../node/audit/audit-kit.ts';

/** Answers in place of `honest`. */
export type Lie = (
  from: NodeId,
  header: Uint8Array,
  honest: () => Promise<ServedReply>,
  signal: AbortSignal,
) => Promise<ServedReply>;

export function lies({ network, services }: Auditor, name: string, lie: Lie): void {
  const honest: Service = services.get(name)!;
  network.serve({
    ...honest,
    handle: (from, header, body, signal) =>
      lie(from, header, () => honest.handle(from, header, body, signal), signal),
  });
}

export function bodyOf({ body = [] }: ServedReply): Uint8Array {
  return body[0]!;
}

export function replyWith(body: Uint8Array): ServedReply {
  return { header: new Uint8Array(0), body: [body] };
}
