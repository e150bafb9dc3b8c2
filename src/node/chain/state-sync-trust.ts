// How a node that is behind knows where the others are: as a light client does, from the last block that it has itself, from the
// founding document, or from a block that its operator was told.

import type { NodeId } from '../../base/ids.ts';
import type { Clock, Network } from '../../base/ports.ts';
import { LightClient, type TrustedBlock } from '../../client/chain/light-client.ts';
import { memoryTrust } from '../../client/chain/memory-trust.ts';
import { Providers } from '../../client/chain/providers.ts';
import { encodeTrust } from '../../client/chain/trust.ts';
import { trustPeriodOf } from '../../client/chain/trust-period.ts';
import { CHAIN_SERVICES } from '../../shards/chain-messages.ts';
import { encodeFounding, type FoundingDocument } from '../../shards/founding.ts';
import { parametersOf } from '../../shards/parameters.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import type { Chain } from './chain.ts';
import { LightBlocks } from './light-blocks.ts';
import type { ChainRules } from './next-height.ts';
import { settle } from './settle.ts';
import type { ChainStore } from './types.ts';

export interface SyncTrustPorts extends ChainRules {
  readonly store: ChainStore;
  readonly network: Pick<Network, 'call'>;
  readonly clock: Clock;
}

export interface SyncTrustOptions {
  readonly founding: FoundingDocument;
  /** Nodes that may be asked, best first. */
  readonly peers: () => readonly NodeId[];
  /** A block that the operator vouches for: counts when it is above what is here. */
  readonly trust?: TrustedBlock;
}

export function providersOf(
  { network, clock }: Pick<SyncTrustPorts, 'network' | 'clock'>,
  { founding, peers }: SyncTrustOptions,
  onLie: (node: NodeId, reason: string) => void,
): Providers {
  const own = encodeFounding(founding);
  const call: Network['call'] = (node, service, request, options) =>
    // The document that this node stands on, whatever else its founder may have signed.
    service === CHAIN_SERVICES.founding
      ? Promise.resolve({ header: new Uint8Array(0), body: own })
      : network.call(node, service, request, options);
  return new Providers({ network: { call }, clock }, { candidates: peers, onLie });
}

/** Begins at the head of `chain`. Its functions throw TrustExpired when that is too old, and `trust` is not newer. */
export async function lightClientAt(
  chain: Pick<Chain, 'head' | 'rolesAt' | 'decision' | 'load'>,
  ports: SyncTrustPorts,
  options: SyncTrustOptions,
  providers: Providers,
): Promise<LightClient> {
  const { clock, verify, sha256, networkId: network } = ports;
  const { trust } = options;
  const saved = chain.head.height === 0 ? undefined : await savedTrust(chain, ports);
  return new LightClient({ clock, verify, sha256, trust: memoryTrust(saved) }, providers, {
    network,
    ...(trust === undefined ? {} : { trust }),
  });
}

/** For how long the head of `chain` counts, as the state after it says. */
export async function trustPeriodAt(chain: Pick<Chain, 'load'>): Promise<number> {
  const { periodMs } = await settle(chain, new LoadedState(), (loaded) => ({
    periodMs: trustPeriodOf(parametersOf(new Overlay(loaded))),
  }));
  return periodMs;
}

async function savedTrust(
  chain: Pick<Chain, 'head' | 'rolesAt' | 'decision' | 'load'>,
  { store, sha256, networkId: network }: SyncTrustPorts,
): Promise<Uint8Array> {
  const light = await new LightBlocks({ chain, store, sha256 }).at(chain.head.height);
  const trustPeriodMs = await trustPeriodAt(chain);
  return encodeTrust({ network, trustPeriodMs, light, attack: undefined });
}
