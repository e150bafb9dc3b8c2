// The chain of a node of a data folder: its database, founded where it is empty, the service on it, and the node's part in the beacon.

import { fromHex } from '../base/bytes.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { Digest, NetworkId, NodeId } from '../base/ids.ts';
import { VERIFIED_SIGNATURES_MAX } from '../base/limits.ts';
import type { Clock, Gossip, Network } from '../base/ports.ts';
import type { TrustedBlock } from '../client/chain/light-client.ts';
import { nativeSha256, nativeVerify } from '../runtime/crypto.ts';
import { type Identity, loadIdentity } from '../runtime/identity.ts';
import { type LocalKeyValue, openKeyValue } from '../runtime/key-value.ts';
import { systemRandom } from '../runtime/random.ts';
import { firstHead, type FoundingDocument, foundState } from '../shards/founding.ts';
import { LEDGER_RULES } from '../shards/ledger.ts';
import { type HoldingsStore, openHoldings } from './audit/holdings-store.ts';
import { RoundWatcher } from './audit/round-watcher.ts';
import { type Beacon, openBeacon } from './beacon-file.ts';
import { type ChainLife, startChainLife } from './chain/chain-life.ts';
import { openChainStore } from './chain/chain-store.ts';
import { type AuditView, auditView } from './audit/audit-view.ts';
import { type HttpServer, startHttp } from './chain/http/server.ts';
import type { Keeping } from './chain/pruner.ts';
import type { ChainStore, Derived } from './chain/types.ts';
import { rememberingVerify } from './chain/verified-signatures.ts';
import type { NodeConfig } from './config.ts';
import type { DataFolder } from './data-folder.ts';
import { OperatorAccount } from './operator-account.ts';
import { type Tending, tendOperator } from './operator-tending.ts';
import type { NodeLogger } from './storage-node.ts';

export interface NodeChainPorts {
  readonly clock: Clock;
  readonly identity: Identity;
  readonly network: Network;
  readonly gossip: Gossip;
  readonly logger: NodeLogger;
}

export interface NodeChain extends ChainLife {
  readonly http: HttpServer | undefined;
  /** What nodes hold by the chain, and the audit rounds that it begins. */
  readonly holdings: HoldingsStore;
  readonly watcher: RoundWatcher;
  /** Undefined where the folder has no key of an operator. */
  readonly account: OperatorAccount | undefined;
}

export interface NodeChainOptions {
  /** Nodes that may be asked, best first. */
  readonly peers: () => readonly NodeId[];
  readonly keeping?: Keeping;
  /** A block that the operator vouches for. */
  readonly trust?: TrustedBlock;
}

/** Nodes of a trial are started together on one machine, so no second copy of a key has to be waited for as long as elsewhere. */
const TRIAL_LISTEN_MS = 500;

/** Throws DAMAGED, LOCKED, INVALID_CONFIG (the founding does not fit together), INVALID_IDENTITY, PORT_IN_USE, DISK. */
export async function openNodeChain(
  ports: NodeChainPorts,
  folder: DataFolder,
  founding: FoundingDocument,
  httpPort: NodeConfig['httpPort'],
  options: NodeChainOptions,
): Promise<NodeChain> {
  const keyValue = await openKeyValue(folder.chain);
  try {
    const { network } = founding.signed.record;
    const owner = { network, node: ports.identity.nodeId };
    const beacon = await openBeacon({ path: folder.beaconKey, owner, random: systemRandom });
    const operator = await operatorOf(folder, ports.logger);
    const holdings = await openHoldings({ keyValue, sha256: nativeSha256 });
    const watcher = new RoundWatcher({ ...ports, holdings, sha256: nativeSha256 }, ports.identity.nodeId);
    const life = await start(ports, folder, founding, options, { keyValue, derived: watcher }, beacon);
    const building = buildHoldings(holdings, life, ports.logger);
    const account = accountOf(operator, network, life);
    const stopTending = tend(ports, operator, network, life, beacon);
    const audits = (): Promise<AuditView> => auditView(watcher, holdings, ports.identity.nodeId);
    const http = await serveHttp(ports, life, network, httpPort, audits).catch(async (error: unknown) => {
      await stopTending();
      await life.stop();
      throw error;
    });
    return {
      get service() {
        return life.service;
      },
      store: life.store,
      get absence() {
        return life.absence;
      },
      onService: (listener) => life.onService(listener),
      status: () => life.status(),
      ended: life.ended,
      http,
      holdings,
      watcher,
      account,
      stop: async () => {
        await http?.close();
        await stopTending();
        await building.stop();
        await life.stop();
        await watcher.close();
        await keyValue.close();
      },
    };
  } catch (error) {
    await keyValue.close();
    throw error;
  }
}

/** The operator's key, where the folder has it. Throws INVALID_IDENTITY, DISK. */
async function operatorOf(folder: DataFolder, logger: NodeLogger): Promise<Identity | undefined> {
  try {
    return await loadIdentity(folder.operatorKey);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    logger.warn({}, 'the folder has no operator.key: somebody else has to commit to new reveal chains');
    return undefined;
  }
}

function accountOf(
  operator: Identity | undefined,
  network: NetworkId,
  life: ChainLife,
): OperatorAccount | undefined {
  if (operator === undefined) return undefined;
  const { signer } = operator;
  return new OperatorAccount({
    service: () => life.service,
    network,
    operator: signer,
    sha256: nativeSha256,
  });
}

/** After the start and whenever a state was fetched. Audits go on without this node until it is done. */
function buildHoldings(
  holdings: HoldingsStore,
  life: ChainLife,
  logger: NodeLogger,
): { readonly stop: () => Promise<void> } {
  const abort = new AbortController();
  let running: Promise<void> = Promise.resolve();
  life.onService(() => {
    running = running
      .then(() => holdings.build(life.store, { logger, signal: abort.signal }))
      .catch((error: unknown) => {
        if (abort.signal.aborted) return;
        const reason = toStoreError(error, 'INTERNAL', 'index of holdings').message;
        logger.error({ reason }, 'what nodes hold could not be read: this node takes no part in audits');
      });
  });
  return {
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}

/** Gives what ends it. */
function tend(
  { identity, logger }: NodeChainPorts,
  operator: Identity | undefined,
  network: NetworkId,
  life: ChainLife,
  beacon: Beacon,
): () => Promise<void> {
  if (operator === undefined) return async () => undefined;
  const { signer } = operator;
  let tending: Tending | undefined;
  life.onService((service) => {
    void tending?.stop();
    const node = identity.nodeId;
    tending = tendOperator({
      service,
      network,
      node,
      operator: signer,
      beacon,
      sha256: nativeSha256,
      logger,
    });
  });
  return async () => tending?.stop();
}

async function serveHttp(
  { clock, logger }: NodeChainPorts,
  life: ChainLife,
  networkId: NetworkId,
  port: NodeConfig['httpPort'],
  audits: () => Promise<AuditView>,
): Promise<HttpServer | undefined> {
  if (port === 'off') return undefined;
  return startHttp({
    get queries() {
      if (life.service !== undefined) return life.service.queries;
      throw life.absence;
    },
    store: life.store,
    networkId,
    status: () => life.status(),
    audits,
    isWaiting: (id) => life.service?.isWaiting(id) ?? false,
    port,
    clock,
    logger,
  });
}

async function start(
  ports: NodeChainPorts,
  folder: DataFolder,
  founding: FoundingDocument,
  options: NodeChainOptions,
  database: { readonly keyValue: LocalKeyValue; readonly derived: Derived },
  beacon: Beacon,
): Promise<ChainLife> {
  const networkId = founding.signed.record.network;
  const store = await openChainStore({ ...database, sha256: nativeSha256, kinds: LEDGER_RULES });
  await foundStore(store, founding);
  const isTrial = founding.signed.record.params.isTrial;
  return startChainLife(
    {
      ...ports,
      store,
      random: systemRandom,
      networkId,
      rules: LEDGER_RULES,
      sha256: nativeSha256,
      verify: rememberingVerify(nativeVerify, VERIFIED_SIGNATURES_MAX),
    },
    {
      founding,
      folder: folder.validator,
      ...options,
      reveal: (contributor, epoch) => beacon.reveal(contributor, epoch),
      ...(isTrial ? { listenMs: TRIAL_LISTEN_MS } : {}),
    },
  );
}

/** Writes height 0 to an empty store. */
async function foundStore(store: ChainStore, founding: FoundingDocument): Promise<void> {
  if (store.head !== undefined) return;
  const { network } = founding.signed.record;
  await store.found(foundState(founding, nativeSha256), firstHead(founding, nativeSha256), network);
}

/** What an operator says of a node's chain, as `openNodeChain` takes it. Throws INVALID_CONFIG when a block is named by half. */
export function chainOptions({
  keepBlocks,
  trustHeight,
  trustHash,
}: Pick<NodeConfig, 'keepBlocks' | 'trustHeight' | 'trustHash'>): Omit<NodeChainOptions, 'peers'> {
  const keeping = { blocks: keepBlocks };
  if (trustHeight === 0 && trustHash === '') return { keeping };
  if (trustHeight === 0 || trustHash === '') {
    throw new StoreError('INVALID_CONFIG', 'a block to trust has a height and a hash, and one is missing', {
      next: 'Give both --trust-height and --trust-hash, as somebody you trust told you.',
    });
  }
  return { keeping, trust: { height: trustHeight, id: fromHex(trustHash) as Digest } };
}
