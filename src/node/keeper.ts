// The storage node's work: the services of `replication/messages.ts` over ports. It stores what an owner's ticket allows,
// signs only what is durable, proves what it serves, and refuses everything else with a typed error.
//
// Invariants: nothing is read from a peer beyond its header before the ticket holds; a confirmation leaves only after
// the log said durable; what a request can cost is bounded before it starts. Which nodes are members, how they are
// reached and what is written on disk are left to others.

import {
  EXCHANGE_TIMEOUT_MS,
  READ_BUDGET,
  SERVICE_CONCURRENCY,
  SERVICE_HEADER_LENGTH_MAX,
  STATUS_REQUESTS_PER_SECOND,
} from '../base/limits.ts';
import type { ServedReply, Service } from '../base/ports.ts';
import {
  encodeMembersReply,
  encodeNodeStatus,
  MEMBERS_REPLY_LENGTH_MAX,
  type NodeStatus,
  SERVICES,
} from '../replication/messages.ts';
import { createByteBudget } from './byte-budget.ts';
import { EMPTY_HEADER, type KeeperOptions, type KeeperPorts } from './keeper-ports.ts';
import { locateService } from './locate-service.ts';
import { pieceServices } from './piece-services.ts';
import { recordServices } from './record-services.ts';
import { removeService } from './remove-service.ts';

export interface Keeper {
  /** To be handed to `Network.serve`, each. */
  readonly services: readonly Service[];
  /** What `node-status` answers. */
  status(): NodeStatus;
}

/** The services of one storage node. */
export function createKeeper(ports: KeeperPorts, options: KeeperOptions): Keeper {
  const startedAtMs = ports.clock.monotonic();
  const status = (): NodeStatus => {
    const usage = ports.log.usage();
    return {
      agent: options.agent ?? 'holdfast',
      epoch: options.epoch().epoch,
      logState: usage.state,
      entries: usage.entries,
      liveBytes: usage.liveBytes,
      logBytes: usage.logBytes,
      quotaBytes: usage.quotaBytes,
      freeBytes: usage.freeBytes,
      damagedEntries: options.damagedEntries?.() ?? 0,
      uptimeMs: Math.floor(ports.clock.monotonic() - startedAtMs),
      peers: options.peers?.() ?? [],
    };
  };
  const reading = createByteBudget(READ_BUDGET);
  const members = (): ServedReply => {
    const nodeRecords = fitting(options.nodeRecords?.() ?? []);
    return { header: EMPTY_HEADER, body: [encodeMembersReply({ nodeRecords })] };
  };
  return {
    status,
    services: [
      question(SERVICES.members, members),
      question(SERVICES.nodeStatus, () => ({ header: encodeNodeStatus(status()) })),
      ...pieceServices(ports, options, reading),
      ...recordServices(ports, options, reading),
      locateService(options),
      removeService(ports, options),
    ],
  };
}

/** The first records that fit into a reply: long ones of many members could exceed what a client takes. */
function fitting(records: readonly Uint8Array[]): readonly Uint8Array[] {
  // Each stands behind a header of at most three bytes; the list and the tuple around it need a few more.
  let left = MEMBERS_REPLY_LENGTH_MAX - 64;
  return records.filter((record) => {
    if (left >= record.length + 3) left -= record.length + 3;
    else left = 0;
    return left > 0;
  });
}

/** A service whose request says nothing but its name: whatever header it carries is not read. */
function question(name: string, answer: () => ServedReply): Service {
  return {
    name,
    maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
    maxBodyLength: 0,
    timeoutMs: EXCHANGE_TIMEOUT_MS,
    maxConcurrentPerPeer: SERVICE_CONCURRENCY,
    maxPerSecondPerPeer: STATUS_REQUESTS_PER_SECOND,
    handle: async () => answer(),
  };
}
