// The chain of a node of a data folder: its database, founded where it is empty, the service on it, and the node's part in the beacon.

import type { NetworkId, NodeId } from '../base/ids.ts';
import { VERIFIED_SIGNATURES_MAX } from '../base/limits.ts';
import type { Clock, Gossip, Network } from '../base/ports.ts';
import { nativeSha256, nativeVerify } from '../runtime/crypto.ts';
import type { Identity } from '../runtime/identity.ts';
import { type LocalKeyValue, openKeyValue } from '../runtime/key-value.ts';
import { systemRandom } from '../runtime/random.ts';
import { firstHead, type FoundingDocument, foundState } from '../shards/founding.ts';
import { LEDGER_RULES } from '../shards/ledger.ts';
import { openBeacon } from './beacon-file.ts';
import { type ChainService, startChainService } from './chain/chain-service.ts';
import { openChainStore } from './chain/chain-store.ts';
import { type HttpServer, startHttp } from './chain/http/server.ts';
import type { ChainStore } from './chain/types.ts';
import { rememberingVerify } from './chain/verified-signatures.ts';
import type { NodeConfig } from './config.ts';
import type { DataFolder } from './data-folder.ts';
import type { NodeLogger } from './storage-node.ts';

export interface NodeChainPorts {
  readonly clock: Clock;
  readonly identity: Identity;
  readonly network: Network;
  readonly gossip: Gossip;
  readonly logger: NodeLogger;
}

export interface NodeChain {
  readonly service: ChainService;
  readonly http: HttpServer | undefined;
  stop(): Promise<void>;
}

/** Nodes of a trial are started together on one machine, so no second copy of a key has to be waited for as long as elsewhere. */
const TRIAL_LISTEN_MS = 500;

/** Throws DAMAGED, LOCKED, INVALID_CONFIG (the founding does not fit together), INVALID_IDENTITY, PORT_IN_USE, DISK. */
export async function openNodeChain(
  ports: NodeChainPorts,
  folder: DataFolder,
  founding: FoundingDocument,
  httpPort: NodeConfig['httpPort'],
  peers: () => readonly NodeId[],
): Promise<NodeChain> {
  const keyValue = await openKeyValue(folder.chain);
  try {
    const service = await start(ports, folder, founding, peers, keyValue);
    const { network } = founding.signed.record;
    const http = await serveHttp(ports, service, network, httpPort).catch(async (error: unknown) => {
      await service.stop();
      throw error;
    });
    return {
      service,
      http,
      stop: async () => {
        await http?.close();
        await service.stop();
        await keyValue.close();
      },
    };
  } catch (error) {
    await keyValue.close();
    throw error;
  }
}

async function serveHttp(
  { clock, logger }: NodeChainPorts,
  service: ChainService,
  networkId: NetworkId,
  port: NodeConfig['httpPort'],
): Promise<HttpServer | undefined> {
  if (port === 'off') return undefined;
  return startHttp({
    get queries() {
      return service.queries;
    },
    networkId,
    status: () => service.status(),
    isWaiting: (id) => service.isWaiting(id),
    port,
    clock,
    logger,
  });
}

async function start(
  ports: NodeChainPorts,
  folder: DataFolder,
  founding: FoundingDocument,
  peers: () => readonly NodeId[],
  keyValue: LocalKeyValue,
): Promise<ChainService> {
  const { identity } = ports;
  const networkId = founding.signed.record.network;
  const store = await openChainStore({ keyValue, sha256: nativeSha256, kinds: LEDGER_RULES });
  await foundStore(store, founding);
  const owner = { network: networkId, node: identity.nodeId };
  const beacon = await openBeacon({ path: folder.beaconKey, owner, random: systemRandom });
  const isTrial = founding.signed.record.params.isTrial;
  return startChainService(
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
      peers,
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
