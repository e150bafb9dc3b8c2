// The chain of a store: a light client over the nodes that the store knows, opened when it is first asked for. What it trusts is kept in
// the home, so that the next command follows on from there.

import { equal } from '../base/bytes.ts';
import { epochDigest, type EpochRecord } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { NetworkId } from '../base/ids.ts';
import { epochStateOf } from '../shards/epoch-state.ts';
import { firstEpochRecord } from '../shards/founding.ts';
import { LEDGER_RULES } from '../shards/ledger.ts';
import { currentEpochRecord } from '../shards/storage-members.ts';
import { createChainClient, type OpenChainClient } from './chain/client.ts';
import { fetchFounding } from './chain/founding-document.ts';
import type { TrustedBlock } from './chain/light-client.ts';
import { trustFile, trustPath } from './chain/trust-file.ts';
import type { Contacts } from './contacts.ts';
import type { Context } from './context.ts';
import type { EpochSource } from './membership.ts';

export interface StoreChainOptions {
  readonly networkId: NetworkId;
  readonly home: string;
  /** A block to begin with, in place of the founding document. */
  readonly trust?: TrustedBlock;
  /** Told again and again why a call waits for the chain to begin. */
  readonly onChainWait?: (reason: StoreError) => void;
  /** Resolves when the store knows whom to ask. Throws UNREACHABLE. */
  readonly ready: (signal: AbortSignal) => Promise<unknown>;
}

export interface StoreChain extends EpochSource {
  /** Throws UNREACHABLE when no node can be asked. */
  open(signal: AbortSignal): Promise<OpenChainClient>;
  /** Writes down what is trusted, if it was opened. */
  close(): Promise<void>;
}

export function createStoreChain(
  context: Context,
  contacts: Contacts,
  { networkId, home, trust, onChainWait, ready }: StoreChainOptions,
): StoreChain {
  let client: OpenChainClient | undefined;
  const opened = (): OpenChainClient => {
    client ??= createChainClient(
      { ...context, trust: trustFile(trustPath(home, networkId)) },
      {
        network: networkId,
        operations: LEDGER_RULES.operations,
        candidates: () => contacts.candidates(),
        // Whoever reads after a put has finished must see it, whichever client put it.
        freshness: 'quorum',
        ...(trust === undefined ? {} : { trust }),
        ...(onChainWait === undefined ? {} : { onWait: onChainWait }),
      },
    );
    return client;
  };
  return {
    open: async (signal) => {
      await ready(signal);
      return opened();
    },
    newestEpoch: (known, signal) => newestEpoch(opened(), context, known, signal),
    close: async () => {
      // A home that cannot be written makes the next start slower, and is no reason for this call to fail.
      await client?.close().catch(() => undefined);
    },
  };
}

/**
 * A few nodes are asked, not a quorum: members who left a moment ago still serve, and reading must go on when most validators are down.
 * An epoch that has not ended costs no more than the question for the newest header.
 */
async function newestEpoch(
  client: OpenChainClient,
  context: Context,
  known: EpochRecord | undefined,
  signal: AbortSignal,
): Promise<EpochRecord> {
  const height = await newHeight(client, known, signal);
  if (height === undefined) return known!;
  if (height === 0) return known ?? firstRecord(client, context, signal);
  const { value } = await client.read(
    (state) => ({
      record: currentEpochRecord(state, client.network),
      digest: epochStateOf(state).membersDigest,
    }),
    { atLeast: height - 1, signal },
  );
  if (equal(epochDigest(value.record, context.sha256), value.digest)) return value.record;
  throw new StoreError(
    'INTERNAL',
    'the proven members of the epoch do not have the digest that the chain names',
  );
}

/** Of the newest header when it is of another epoch than `known`; 0 while there is no block. */
async function newHeight(
  { light }: OpenChainClient,
  known: EpochRecord | undefined,
  signal: AbortSignal,
): Promise<number | undefined> {
  // Outside of the try: what it begins to trust with may fail, and then there is no newest header to look at.
  await light.start(signal);
  try {
    const { header } = await light.head(signal, 'few');
    return known !== undefined && header.epoch <= known.epoch ? undefined : header.height;
  } catch (error) {
    const isFirst = error instanceof StoreError && error.code === 'NOT_FOUND' && light.newest.height === 0;
    if (isFirst) return 0;
    throw error;
  }
}

/** What the network began with, for as long as its validators have not decided a block. */
async function firstRecord(
  { light, network }: OpenChainClient,
  { verify, sha256 }: Context,
  signal: AbortSignal,
): Promise<EpochRecord> {
  return firstEpochRecord(await fetchFounding(light.providers, network, verify, signal), sha256);
}
