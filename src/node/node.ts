// A storage node on a real machine: opens its data folder, its lanes and everything in between, in an order that never
// leaves something half open, and closes it in the opposite one.
//
// Invariants: one process per data folder; a folder of another node or network is refused before anything is written; a
// stop takes at most NODE_STOP_MS; no key, ticket or code is ever logged.

import { pino } from 'pino';
import { concat, equal, short, toHex, toUtf8 } from '../base/bytes.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import {
  GARBAGE_GRACE_HOURS,
  GARBAGE_GRACE_TRIAL_MS,
  NODE_CODER_MEMORY,
  NODE_INLINE_JOB_LENGTH,
  NODE_STOP_MS,
} from '../base/limits.ts';
import type { Clock, KeyValue, PieceLog } from '../base/ports.ts';
import { systemClock } from '../runtime/clock.ts';
import { portableHasher } from '../replication/blake3.ts';
import { createCoder } from '../runtime/coder/coder.ts';
import { nativeSha256, nativeVerify } from '../runtime/crypto.ts';
import { lockFolder } from '../runtime/folder-lock.ts';
import { type Identity, loadIdentity } from '../runtime/identity.ts';
import { openKeyValue } from '../runtime/key-value.ts';
import { createNetwork, type NodeNetwork } from '../runtime/network.ts';
import type { NetworkStatus } from '../runtime/two-lanes.ts';
import { openPieceLog } from '../runtime/piece-log/log.ts';
import { systemRandom } from '../runtime/random.ts';
import { firstEpochRecord, type FoundingDocument, foundingId } from '../shards/founding.ts';
import type { StateKey } from '../shards/state-key.ts';
import type { Action } from '../shards/transaction.ts';
import { startAudits } from './audit/audits.ts';
import type { ChainService, ChainStatus } from './chain/chain-service.ts';
import { type ConfigInput, loadConfig, type LogLevel, type NodeConfig } from './config.ts';
import { type DataFolder, dataFolder } from './data-folder.ts';
import { type ChainMembers, followChain } from './chain-members.ts';
import { type GarbageStatus, startGarbage } from './garbage/garbage.ts';
import { KeptLog } from './garbage/kept-log.ts';
import { openSightings } from './garbage/sightings.ts';
import { readGenesis } from './genesis.ts';
import { announcedAddresses, controlListen, withoutLoopback } from './listen.ts';
import { type Membership, openMembership } from './membership.ts';
import { chainOptions, type NodeChain, openNodeChain } from './node-chain.ts';
import { readPresharedKey } from './preshared-key.ts';
import { type Repair, startRepair } from './repair/repair.ts';
import { type NodeLogger, startStorageNode, type StorageNodeStatus } from './storage-node.ts';

export interface NodeOptions {
  /** Data folder, made by `store init`, `store join` or `store up`. */
  readonly folder: string;
  readonly flags?: ConfigInput;
  /** `process.env` of the caller; none when absent. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where log lines go; JSON lines on stderr when absent. */
  readonly logger?: NodeLogger;
  readonly agent?: string;
  readonly clock?: Clock;
}

export interface RunningStatus extends StorageNodeStatus {
  readonly folder: string;
  readonly lanes: NetworkStatus;
  readonly chain: ChainStatus;
  /** Where programs of this machine reach the chain over HTTP; undefined where that is off. */
  readonly http: string | undefined;
  readonly garbage: GarbageStatus;
}

export interface Node {
  readonly config: NodeConfig;
  status(): RunningStatus;
  /** Resolves when the chain of this node has ended: with the failure after which it must be started again, or undefined after `stop`. */
  readonly ended: Promise<StoreError | undefined>;
  /** Resolves when everything is closed, or NODE_STOP_MS later. A second call waits for the first. */
  stop(): Promise<void>;
}

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Starts the node of a data folder. Throws NOT_FOUND (no such folder), INVALID_CONFIG (settings, or a folder of another network or
 * node), INVALID_IDENTITY, INVALID_SIGNATURE, LOCKED, PORT_IN_USE, DAMAGED, DISK.
 */
export async function createNode(options: NodeOptions): Promise<Node> {
  const folder = dataFolder(options.folder);
  const opened: (() => Promise<unknown>)[] = [];
  try {
    return await openNode(options, folder, opened);
  } catch (error) {
    await closeAll(opened, systemClock);
    throw toStoreError(error, 'INTERNAL', `node in ${folder.path}`);
  }
}

/** Everything that is opened goes on top of `opened` at once, so that a failure closes what stands. */
async function openNode(
  options: NodeOptions,
  folder: DataFolder,
  opened: (() => Promise<unknown>)[],
): Promise<Node> {
  const clock = options.clock ?? systemClock;
  const founding = await readGenesis(folder.genesisFile, nativeVerify);
  const { genesis } = founding.signed;
  const identity = await loadIdentity(folder.identityKey);
  const config = await loadConfig({ ...options, file: folder.configFile });
  const logger = options.logger ?? jsonLogger(config.logLevel, identity);
  const lock = await lockFolder(folder.path);
  opened.push(() => lock.release());
  const keyValue = await openKeyValue(folder.state);
  opened.push(() => keyValue.close());
  await pinFolder(keyValue, folder, founding, identity);
  const membership = await openMembership({ keyValue }, firstEpochRecord(founding, nativeSha256));
  const pieces = await openPieces(folder, config, identity, membership, clock, logger);
  opened.push(() => pieces.log.close());
  const sightings = await openSightings(keyValue);
  const log = new KeptLog(pieces.log, sightings);
  const coder = createCoder({
    workers: 1,
    maxMemory: NODE_CODER_MEMORY,
    inlineJobLength: NODE_INLINE_JOB_LENGTH,
  });
  opened.push(() => coder.close());
  const network = await openNetwork(config, identity, membership, clock);
  opened.push(() => network.close());
  const addresses = () => withoutLoopback(network.addresses());
  const node = await startStorageNode(
    {
      clock,
      random: systemRandom,
      log,
      coder,
      signer: identity.signer,
      verify: nativeVerify,
      sha256: nativeSha256,
      keyValue,
      membership,
      network,
      gossip: network.gossip,
      directory: network.directory,
      logger,
    },
    {
      addresses,
      bootstrap: config.bootstrap,
      damagedEntries: pieces.damagedEntries,
      isLinked: (peer) => network.networkStatus().peers.some((linked) => equal(linked.node, peer)),
      ...(options.agent === undefined ? {} : { agent: options.agent }),
      ...(config.allowedOwners.length === 0 ? {} : { allowedOwners: new Set(config.allowedOwners) }),
    },
  );
  opened.push(() => node.stop());
  const chain = await openNodeChain(
    { clock, identity, network, gossip: network.gossip, logger },
    folder,
    founding,
    config.httpPort,
    { peers: () => node.sources(), ...chainOptions(config) },
  );
  opened.push(() => chain.stop());
  const common = {
    networkId: membership.network,
    signer: identity.signer,
    network,
    log,
    clock,
    verify: nativeVerify,
    sha256: nativeSha256,
    // Leaves are few: the kernel's 17 MB would stay with every node at rest.
    hashes: { hasher: portableHasher, sha256: nativeSha256 },
    chain: { load: (keys: readonly StateKey[]) => serviceOf(chain).chain.load(keys) },
    watcher: chain.watcher,
    logger,
    isCurrent: () => !['syncing', 'fetching'].includes(chain.status().role),
    submit: chain.account === undefined ? undefined : (action: Action) => chain.account!.submit(action),
  };
  const audits = startAudits({ ...common, onLacking: (place) => repair.lacking(place) });
  opened.push(() => audits.stop());
  const repair: Repair = startRepair({
    ...common,
    coder,
    membership,
    holdings: chain.holdings,
    groups: () => audits.groups,
  });
  opened.push(() => repair.stop());
  pieces.onDamage((key) => repair.damaged(key));
  const garbage = startGarbage(
    { ...common, self: identity.nodeId, sightings, store: chain.store, holdings: chain.holdings },
    { graceMs: graceOf(config, founding), onRecordsRemoved: (digests) => node.recordsRemoved(digests) },
  );
  opened.push(() => garbage.stop());
  let members: ChainMembers | undefined;
  chain.onService((service) => {
    void members?.stop();
    members = followChain({ chain: service.chain, membership, sha256: nativeSha256, logger });
    service.chain.onCommit(({ executed }) => repair.committed(executed.changes));
  });
  opened.push(async () => members?.stop());
  logger.info({ network: genesis.name, ...addresses() }, 'node is up');

  let stopping: Promise<void> | undefined;
  return {
    config,
    ended: chain.ended,
    status: () => ({
      ...node.status(),
      folder: folder.path,
      lanes: network.networkStatus(),
      chain: chain.status(),
      http: chain.http?.url,
      garbage: garbage.status(),
    }),
    stop: () => (stopping ??= closeAll(opened, clock).then(() => logger.info({}, 'node has stopped'))),
  };
}

function graceOf({ graceHours }: NodeConfig, { signed }: FoundingDocument): number {
  if (graceHours !== undefined) return graceHours * HOUR_MS;
  return signed.record.params.isTrial ? GARBAGE_GRACE_TRIAL_MS : GARBAGE_GRACE_HOURS * HOUR_MS;
}

/** Throws what there is instead of a chain. */
function serviceOf(chain: NodeChain): ChainService {
  if (chain.service !== undefined) return chain.service;
  throw chain.absence;
}

/** Closes what was opened, last first, each whatever becomes of the others, in bounded time. */
async function closeAll(opened: (() => Promise<unknown>)[], clock: Clock): Promise<void> {
  const closing = (async () => {
    for (const close of opened.splice(0).reverse()) await close().catch(() => undefined);
  })();
  const late = new AbortController();
  await Promise.race([closing, clock.sleep(NODE_STOP_MS, late.signal).catch(() => undefined)]);
  late.abort();
}

/** Which network and node the state belongs to, written at the first start. */
const PIN_KEY: Uint8Array = toUtf8('folder/owner');

/** Refuses state of another network or node, as after files were mixed up in a restore. Throws INVALID_CONFIG. */
async function pinFolder(
  keyValue: KeyValue,
  folder: DataFolder,
  founding: FoundingDocument,
  identity: Identity,
): Promise<void> {
  const { network } = founding.signed.record;
  const owner = concat(network, identity.nodeId, foundingId(founding, nativeSha256));
  const pinned = await keyValue.get(PIN_KEY);
  if (pinned === undefined) {
    await keyValue.batch([{ kind: 'put', key: PIN_KEY, value: owner }], { isDurable: true });
  } else if (!equal(pinned, owner)) {
    const [pinnedNetwork, pinnedNode] = [pinned.subarray(0, 32), pinned.subarray(32, 64)];
    const whose = !equal(pinnedNetwork, network)
      ? `network ${short(pinnedNetwork)}, not of network ${short(network)}`
      : !equal(pinnedNode, identity.nodeId)
        ? `node ${short(pinnedNode)}, not of node ${short(identity.nodeId)}`
        : `network ${short(network)} with another founding`;
    throw new StoreError('INVALID_CONFIG', `${folder.state} holds the state of ${whose}`, {
      next: `Restore the ${folder.identityKey} and ${folder.genesisFile} that belong to it, or start in an empty folder.`,
    });
  }
}

interface OpenPieces {
  readonly log: PieceLog;
  readonly damagedEntries: () => number;
  /** `listener` is told of every entry that is found damaged from now on. */
  onDamage(listener: (key: Uint8Array) => void): void;
}

async function openPieces(
  folder: DataFolder,
  config: NodeConfig,
  identity: Identity,
  membership: Membership,
  clock: Clock,
  logger: NodeLogger,
): Promise<OpenPieces> {
  let damagedCount = 0;
  let tell: (key: Uint8Array) => void = () => undefined;
  const { log, report } = await openPieceLog({
    folder: folder.pieces,
    network: membership.network,
    node: identity.nodeId,
    clock,
    quotaBytes: config.capacityBytes,
    ...(config.reserveBytes === undefined ? {} : { reserveBytes: config.reserveBytes }),
    scrubPeriodMs: config.scrubDays * DAY_MS,
    onDamage: (key, reason) => {
      damagedCount += 1;
      logger.error({ entry: toHex(key), reason }, 'an entry is damaged and no longer served');
      tell(key);
    },
    onFailure: (failure) => {
      logger.error(
        { reason: failure.message },
        'the disk failed: this node is read-only until it is started again',
      );
    },
  });
  damagedCount += report.damagedCount;
  const { start, recordsReplayed, tornBytes, damaged } = report;
  logger.info({ start, recordsReplayed, tornBytes, damagedCount }, 'piece log is open');
  for (const { file, offset, reason } of damaged)
    logger.error({ file, offset, reason }, 'the piece log is damaged here');
  return {
    log,
    damagedEntries: () => damagedCount,
    onDamage: (listener) => {
      tell = listener;
    },
  };
}

async function openNetwork(
  config: NodeConfig,
  identity: Identity,
  membership: Membership,
  clock: Clock,
): Promise<NodeNetwork> {
  const announce = announcedAddresses(config);
  return createNetwork({
    identity,
    networkId: membership.network,
    clock,
    controlListen: [controlListen(config)],
    bulkListen: { host: config.host, port: config.bulkPort },
    isMember: (node) => membership.member(node) !== undefined,
    ...(announce === undefined ? {} : { announce }),
    ...(config.presharedKeyFile === ''
      ? {}
      : { preSharedKey: await readPresharedKey(config.presharedKeyFile) }),
  });
}

/** JSON lines on stderr, written at once: the last words of a process are the ones that matter. */
function jsonLogger(level: LogLevel, identity: Identity): NodeLogger {
  return pino({ level, base: { node: short(identity.nodeId) } }, pino.destination({ fd: 2, sync: true }));
}
