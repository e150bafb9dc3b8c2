// The TrustStore port as a file in the client's home, replaced whole or not at all. The one file of this folder that needs Node.

import { dirname, join } from 'node:path';
import { toHex } from '../../base/bytes.ts';
import { toStoreError } from '../../base/errors.ts';
import type { NetworkId } from '../../base/ids.ts';
import { atomicWrite, type Files, readWhole, systemFiles } from '../../runtime/files.ts';
import { TRUST_LENGTH_MAX, type TrustStore } from './trust.ts';

/** Beside what was last known of the network's members. */
export const trustPath = (home: string, network: NetworkId): string =>
  join(home, 'networks', `${toHex(network).slice(0, 16)}.trust`);

export function trustFile(path: string, files: Files = systemFiles): TrustStore {
  return {
    load: () => readWhole(path, TRUST_LENGTH_MAX, files),
    save: async (bytes) => {
      try {
        await files.makeDirectory(dirname(path));
      } catch (error) {
        throw toStoreError(error, 'DISK', `cannot make the folder of ${path}`);
      }
      await atomicWrite(path, bytes, files);
    },
  };
}
