// remove-object: drops every piece and record of an object on its owner's word. Removing twice is fine: what is gone is
// gone, and a removal that was cut off is completed by the next one.

import { short } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import {
  REMOVE_BATCH,
  REMOVE_REQUESTS_PER_SECOND,
  REMOVE_TIMEOUT_MS,
  SERVICE_CONCURRENCY,
  SERVICE_HEADER_LENGTH_MAX,
} from '../base/limits.ts';
import type { Service } from '../base/ports.ts';
import {
  decodeRemoveObject,
  encodeRemoveReply,
  type RemoveObject,
  SERVICES,
} from '../replication/messages.ts';
import { verifyRemove } from '../replication/ticket.ts';
import { objectPrefix, objectRecordsPrefix, recordKey, recordOfObject } from './entry-keys.ts';
import type { KeeperOptions, KeeperPorts } from './keeper-ports.ts';
import { objectOf } from './permission.ts';
import { atBorder } from './stored.ts';

export function removeService(ports: KeeperPorts, options: KeeperOptions): Service {
  return {
    name: SERVICES.removeObject,
    maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
    maxBodyLength: 0,
    timeoutMs: REMOVE_TIMEOUT_MS,
    maxConcurrentPerPeer: SERVICE_CONCURRENCY,
    maxPerSecondPerPeer: REMOVE_REQUESTS_PER_SECOND,
    handle: (_from, header, _body, signal) =>
      atBorder(async () => ({
        header: encodeRemoveReply(await removeObject(ports, options, decodeRemoveObject(header), signal)),
      })),
  };
}

/** Pieces and records dropped; durable when it resolves. */
async function removeObject(
  ports: KeeperPorts,
  options: KeeperOptions,
  remove: RemoveObject,
  signal: AbortSignal,
): Promise<number> {
  const object = objectOf(options, remove);
  if (!verifyRemove(options.network, object, remove.owner, remove.ticket, ports.verify)) {
    throw new StoreError(
      'UNAUTHORIZED',
      `object ${short(object)} is not removed: the owner's signature is wrong`,
    );
  }
  const records = await removeBatches(ports, objectRecordsPrefix(object), signal, async (pointers) => {
    // The pointer last: as long as the record may be there, it can be found.
    const digests = pointers.map(recordOfObject);
    const count = await ports.log.remove(digests.map(recordKey));
    options.publicObjects?.removed(digests);
    await ports.log.remove(pointers);
    return count;
  });
  return (
    records + (await removeBatches(ports, objectPrefix(object), signal, (keys) => ports.log.remove(keys)))
  );
}

/** Takes the entries under `prefix` away, a bounded number at a time; sums up what `drop` counted. */
async function removeBatches(
  ports: KeeperPorts,
  prefix: Uint8Array,
  signal: AbortSignal,
  drop: (keys: readonly Uint8Array[]) => Promise<number>,
): Promise<number> {
  let count = 0;
  let previous = '';
  for (;;) {
    signal.throwIfAborted();
    const keys: Uint8Array[] = [];
    // Not `list`, which leaves out entries whose heads are damaged: they take space too.
    for await (const key of ports.log.keys(prefix, REMOVE_BATCH)) keys.push(key);
    // Entries that stay where they are would be listed for ever.
    const first = keys[0]?.join() ?? '';
    if (keys.length === 0 || first === previous) return count;
    previous = first;
    count += await drop(keys);
  }
}
