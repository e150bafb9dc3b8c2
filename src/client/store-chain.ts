// The chain of a store: a light client over the members that the store knows, opened when it is first asked for. What it trusts is kept in
// the home, so that the next command follows on from there.

import type { NetworkId, NodeId } from '../base/ids.ts';
import { LEDGER_RULES } from '../shards/ledger.ts';
import { createChainClient, type OpenChainClient } from './chain/client.ts';
import type { TrustedBlock } from './chain/light-client.ts';
import { trustFile, trustPath } from './chain/trust-file.ts';
import type { Context } from './context.ts';
import type { Membership } from './membership.ts';

export interface StoreChainOptions {
  readonly networkId: NetworkId;
  readonly home: string;
  /** A block to begin with, in place of the founding document. */
  readonly trust?: TrustedBlock;
}

export interface StoreChain {
  /** Throws UNREACHABLE when no node can be asked. */
  open(signal: AbortSignal): Promise<OpenChainClient>;
  /** Writes down what is trusted, if it was opened. */
  close(): Promise<void>;
}

export function createStoreChain(
  context: Context,
  membership: Membership,
  { networkId, home, trust }: StoreChainOptions,
): StoreChain {
  let client: OpenChainClient | undefined;
  let members: readonly NodeId[] = [];
  return {
    open: async (signal) => {
      const { members: known } = await membership.current(signal);
      members = known.map(({ node }) => node).filter((node) => membership.addressesOf(node) !== undefined);
      client ??= createChainClient(
        { ...context, trust: trustFile(trustPath(home, networkId)) },
        {
          network: networkId,
          operations: LEDGER_RULES.operations,
          candidates: () => members,
          // Whoever reads after a put has finished must see it, whichever client put it.
          freshness: 'quorum',
          ...(trust === undefined ? {} : { trust }),
        },
      );
      return client;
    },
    close: async () => {
      // A home that cannot be written makes the next start slower, and is no reason for this call to fail.
      await client?.close().catch(() => undefined);
    },
  };
}
