// locate-record: who says that it has the manifest of a public object. A question answered for others costs messages to many
// nodes, so it is bounded more tightly than a read; the answer is a hint, checked by whoever asked.

import {
  EXCHANGE_TIMEOUT_MS,
  LOCATE_CONCURRENCY,
  LOCATE_REQUESTS_PER_SECOND,
  SERVICE_HEADER_LENGTH_MAX,
} from '../base/limits.ts';
import type { Service } from '../base/ports.ts';
import { decodeLocateRecord, encodeLocations, SERVICES } from '../replication/messages.ts';
import type { KeeperOptions } from './keeper-ports.ts';

export function locateService(options: KeeperOptions): Service {
  return {
    name: SERVICES.locateRecord,
    maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
    maxBodyLength: 0,
    timeoutMs: EXCHANGE_TIMEOUT_MS,
    maxConcurrentPerPeer: LOCATE_CONCURRENCY,
    maxPerSecondPerPeer: LOCATE_REQUESTS_PER_SECOND,
    handle: async (_from, header, _body, signal) => {
      const digest = decodeLocateRecord(header);
      return { header: encodeLocations((await options.publicObjects?.locate(digest, signal)) ?? []) };
    },
  };
}
