// What the services of pieces and of records have in common: is it here already, and what of a disk's failure is told.

import { StoreError } from '../base/errors.ts';
import type { ServedReply } from '../base/ports.ts';
import type { KeeperPorts } from './keeper-ports.ts';

/** True when the entry is here, whole as far as is known. One known to be damaged counts as absent: a new copy replaces it. */
export async function isHere(
  ports: Pick<KeeperPorts, 'log'>,
  key: Uint8Array,
  lengthBytes: number,
): Promise<boolean> {
  try {
    if ((await ports.log.stat(key))?.payloadLength !== lengthBytes) return false;
    // `stat` also speaks of quarantined entries; a read does not.
    await ports.log.read(key, 0, 1);
    return true;
  } catch (error) {
    if (error instanceof StoreError && error.code === 'DAMAGED') return false;
    throw error;
  }
}

/** Runs a handler; what the disk said in detail, paths included, stays at home. */
export async function atBorder(work: () => Promise<ServedReply>): Promise<ServedReply> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'DISK') throw error;
    throw new StoreError('DISK', 'the disk of this node failed', { cause: error });
  }
}
