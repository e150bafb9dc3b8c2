// What the services of pieces and of records have in common: is it here already, and what of a disk's failure is told.

import { StoreError } from '../base/errors.ts';
import type { PieceLog, ServedReply } from '../base/ports.ts';

/** A log from which entries that nobody needs are taken away: who relies on one says so first. */
export interface StoredLog extends Pick<PieceLog, 'stat' | 'read'> {
  readonly touch?: (key: Uint8Array) => Promise<void>;
}

/**
 * True when the entry is here, whole as far as is known, and stays for a while. One known to be damaged counts as absent: a new copy
 * replaces it.
 */
export async function isHere(
  ports: { readonly log: StoredLog },
  key: Uint8Array,
  lengthBytes: number,
): Promise<boolean> {
  try {
    await ports.log.touch?.(key);
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
