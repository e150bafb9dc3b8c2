// A whole storage node over ports: keeper, membership, neighbours and announcements, wired to each other. It runs the same
// on real disks and sockets (`node.ts`) and on memory ports in tests.
//
// Invariants: services are offered before anyone is told that they exist; what a peer sends decides nothing before
// it passed its checks; after `stop` nothing of it runs.

import { short, toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, NodeId } from '../base/ids.ts';
import type { Gossip, GossipVerdict, KeyValue, Network, NodeAddresses, Random } from '../base/ports.ts';
import type { NodeDirectory } from '../dht/directory.ts';
import type { NodeStatus } from '../replication/messages.ts';
import { openAddressBook } from './address-book.ts';
import { type Announcer, createAnnouncer, NODES_TOPIC } from './announcer.ts';
import { createKeeper } from './keeper.ts';
import type { KeeperPorts } from './keeper-ports.ts';
import type { Membership } from './membership.ts';
import { type NeighbourEvent, Neighbours } from './neighbours.ts';
import { openPublicObjects } from './public-objects.ts';

export interface StorageNodePorts extends KeeperPorts {
  readonly random: Random;
  readonly keyValue: KeyValue;
  readonly membership: Membership;
  readonly network: Network;
  readonly gossip: Gossip;
  readonly directory?: Pick<NodeDirectory, 'find' | 'maintain' | 'refresh'>;
  readonly logger: NodeLogger;
}

/** The part of a pino logger that a node uses. Keys, tickets and codes are never handed to it. */
export interface NodeLogger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface StorageNodeOptions {
  readonly addresses: () => NodeAddresses;
  /** Bulk addresses to ask while no member answers. */
  readonly bootstrap?: readonly string[];
  readonly agent?: string;
  readonly allowedOwners?: ReadonlySet<string>;
  readonly damagedEntries?: () => number;
  /** Whether a connection of the control lane to the node stands; absent where there is one lane only. */
  readonly isLinked?: (node: NodeId) => boolean;
  readonly greetIntervalMs?: number;
  readonly reconnectMinMs?: number;
}

export interface StorageNodeStatus {
  readonly node: NodeId;
  readonly network: string;
  readonly epoch: number;
  /** False: the record in force does not name this node. It serves what it has and is given nothing new. */
  readonly isMember: boolean;
  /** One-machine trial: members are not independent. */
  readonly isTrial: boolean;
  readonly members: number;
  /** Members heard of lately. */
  readonly neighbours: readonly NodeId[];
  readonly addresses: NodeAddresses;
  readonly store: NodeStatus;
}

export interface StorageNode {
  status(): StorageNodeStatus;
  /** Nodes to catch up with the chain from, the best first. */
  sources(): readonly NodeId[];
  /** These records are gone from the log. */
  recordsRemoved(digests: readonly Digest[]): void;
  stop(): Promise<void>;
}

/** Starts a node over open ports, which stay their owner's: `stop` ends the node and closes none of them. */
export async function startStorageNode(
  ports: StorageNodePorts,
  options: StorageNodeOptions,
): Promise<StorageNode> {
  const { membership, network, gossip, logger, signer } = ports;
  const self = signer.publicKey as NodeId;
  const book = await openAddressBook(ports);
  const announcer = createAnnouncer({ ...ports, book }, options.addresses);
  const neighbours = new Neighbours(
    { ...ports, book },
    {
      bootstrap: options.bootstrap ?? [],
      ownRecord: () => announcer.ownRecord(),
      onEvent: (event) => noteNeighbour(logger, announcer, event),
      ...(options.isLinked === undefined ? {} : { isLinked: options.isLinked }),
      ...(options.greetIntervalMs === undefined ? {} : { greetIntervalMs: options.greetIntervalMs }),
      ...(options.reconnectMinMs === undefined ? {} : { reconnectMinMs: options.reconnectMinMs }),
    },
  );
  const publicObjects = openPublicObjects(ports);
  const keeper = createKeeper(ports, {
    network: membership.network,
    epoch: () => membership.current(),
    nodeRecords: () => book.records(),
    peers: () => neighbours.live(),
    publicObjects,
    ...(options.damagedEntries === undefined ? {} : { damagedEntries: options.damagedEntries }),
    ...(options.agent === undefined ? {} : { agent: options.agent }),
    ...(options.allowedOwners === undefined ? {} : { allowedOwners: options.allowedOwners }),
  });

  for (const service of keeper.services) network.serve(service);
  network.serve(neighbours.service);
  gossip.subscribe(NODES_TOPIC, (_from, message) => judgeNodeRecord(() => book.learn(message)));
  let wasMember = membership.member(self) !== undefined;
  const endOnChange = membership.onChange(({ epoch, members }) => {
    logger.info({ epoch, members: members.length }, 'a new epoch record is in force');
    // A node that catches up comes through many epochs, and need not say it each time.
    const isMember = membership.member(self) !== undefined;
    if (wasMember && !isMember) warnUnlessMember(logger, membership, self);
    wasMember = isMember;
    void book
      .prune()
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'addresses not pruned'));
    neighbours.update();
    announcer.announce();
  });
  warnUnlessMember(logger, membership, self);
  announcer.announce();
  neighbours.start();

  return {
    status: () => ({
      node: self,
      network: toHex(membership.network),
      epoch: membership.current().epoch,
      isMember: membership.member(self) !== undefined,
      isTrial: membership.current().params.isTrial,
      members: membership.current().members.length,
      neighbours: neighbours.live(),
      addresses: options.addresses(),
      store: keeper.status(),
    }),
    sources: () => neighbours.sources(),
    recordsRemoved: (digests) => publicObjects.removed(digests),
    async stop() {
      endOnChange();
      announcer.stop();
      await Promise.all([publicObjects.stop(), neighbours.stop()]);
    },
  };
}

function warnUnlessMember(logger: NodeLogger, membership: Membership, self: NodeId): void {
  if (membership.member(self) !== undefined) return;
  const { epoch } = membership.current();
  logger.warn(
    { epoch },
    'this node is not a member of the network: it serves what it has and gets nothing new',
  );
}

function noteNeighbour(logger: NodeLogger, announcer: Announcer, event: NeighbourEvent): void {
  switch (event.kind) {
    case 'up':
      logger.info({ peer: short(event.node) }, 'neighbour is up');
      announcer.announce();
      return;
    case 'down':
      logger.warn({ peer: short(event.node), reason: event.error?.message }, 'neighbour is down');
      return;
    case 'refused':
      logger.warn({ peer: short(event.node), reason: event.error.message }, 'refused what a peer said');
      return;
    case 'bootstrap-failed':
      logger.warn({ address: event.address, reason: event.error.message }, 'bootstrap address does not help');
      return;
  }
}

// ---- Gossip --------------------------------------------------------------------------------------------------

/** News of a member is passed on, old news is not; what no honest node would send is held against who sent it. */
async function judgeNodeRecord(learn: () => Promise<boolean>): Promise<GossipVerdict> {
  try {
    return (await learn()) ? 'accept' : 'ignore';
  } catch (error) {
    const isForged = error instanceof StoreError && FORGED.has(error.code);
    return isForged ? 'reject' : 'ignore';
  }
}

const FORGED: ReadonlySet<string> = new Set([
  'INVALID_ENCODING',
  'INVALID_SIGNATURE',
  'WRONG_NETWORK',
  'PROTOCOL',
]);
