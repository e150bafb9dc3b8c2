// The chain as a client sees it: reads of proven state, transactions, and nothing taken on trust but the network id. Works in browsers:
// the outside comes through ports.

import type { Sha256 } from '../../base/hash.ts';
import type { NetworkId, NodeId, OwnerId } from '../../base/ids.ts';
import { StoreError } from '../../base/errors.ts';
import { NONCE_RACES_MAX, PERFORM_AT_ONCE, TRANSACTION_LIFETIME_BLOCKS } from '../../base/limits.ts';
import type { Clock, Network, Signer, Verify } from '../../base/ports.ts';
import { accountOf } from '../../shards/account.ts';
import { parametersOf } from '../../shards/parameters.ts';
import { leastFee, type LedgerParams } from '../../shards/rules.ts';
import {
  type Action,
  type Operations,
  signTransaction,
  type SignedTransaction,
} from '../../shards/transaction.ts';
import type { Freshness } from './heads.ts';
import { LightClient, type TrustedBlock } from './light-client.ts';
import { Providers } from './providers.ts';
import { StateReader } from './reader.ts';
import { Submitter } from './submitter.ts';
import type { TrustStore } from './trust.ts';
import type { Answer, ChainClient, Inclusion } from './types.ts';

export interface ChainClientPorts {
  readonly network: Pick<Network, 'call'>;
  readonly clock: Clock;
  readonly verify: Verify;
  readonly sha256: Sha256;
  readonly trust: TrustStore;
}

export interface ChainClientOptions {
  readonly network: NetworkId;
  /** The kinds of transactions that the network knows: those of `shards/ledger.ts`. */
  readonly operations: Operations;
  /** Nodes that may be asked, the best first; asked for before every question. Their addresses are known to the network port. */
  candidates(): readonly NodeId[];
  /** A block to begin with, in place of the founding document. */
  readonly trust?: TrustedBlock;
  readonly trustPeriodMs?: number;
  readonly clockDriftMs?: number;
  /** `few` where absent: a reading may miss what somebody else finished just now, if all nodes asked are behind. `quorum` never does. */
  readonly freshness?: Freshness;
  /** Told again and again why a reading waits: the chain has no block yet, or its nodes fetch what they missed. */
  onWait?(reason: StoreError): void;
  /** Told about every node that gave a false answer. */
  onLie?(node: NodeId, reason: string): void;
}

export interface OpenChainClient extends ChainClient {
  /** Headers, for whoever shows them. */
  readonly light: LightClient;
  /** Writes down what is trusted. */
  close(): Promise<void>;
}

/** Asks nobody before it is used. */
export function createChainClient(ports: ChainClientPorts, options: ChainClientOptions): OpenChainClient {
  const { clock, sha256 } = ports;
  const { network, operations, freshness = 'few' } = options;
  const light = new LightClient(ports, new Providers(ports, options), options);
  const reader = new StateReader(light, sha256, freshness === 'quorum');
  const submitter = new Submitter({ clock, sha256, light, reader, operations });
  const client: OpenChainClient = {
    network,
    light,
    read: (decide, readOptions) => reader.read(decide, readOptions),
    submit: (signed, { signal, free } = {}) => submitter.submit(signed, signal, free),
    perform: (signer, actions, more = {}) =>
      perform({ client, submitter, clock, operations, sha256 }, signer, actions, more),
    close: () => light.flush(),
  };
  return client;
}

// ---- Actions -----------------------------------------------------------------------------------------------------

interface Performing {
  readonly client: ChainClient;
  readonly submitter: Submitter;
  readonly clock: Clock;
  readonly operations: Operations;
  readonly sha256: Sha256;
}

interface PerformOptions {
  readonly signal?: AbortSignal;
  readonly fee?: bigint;
}

/** Before nonces are asked for again, once more for each time. */
const RACE_DELAY_MS = 200;

/**
 * Where another client uses a nonce of the account, what did not get its turn is signed again, and with it what was refused after that: a refusal
 * changes nothing. What was done is never done again, even if it was done before its turn.
 */
async function perform(
  parts: Performing,
  signer: Signer,
  actions: readonly Action[],
  options: PerformOptions,
): Promise<readonly Inclusion[]> {
  const results: (Inclusion | undefined)[] = actions.map(() => undefined);
  for (let races = 0; ; ) {
    const todo = [...results.keys()]
      .filter((index) => results[index] === undefined)
      .slice(0, PERFORM_AT_ONCE);
    if (todo.length === 0) return results as Inclusion[];
    const { signed, free } = await signAll(
      parts,
      signer,
      todo.map((index) => actions[index]!),
      options,
    );
    const { signal } = options;
    const outcomes = await Promise.allSettled(
      signed.map((each) => parts.submitter.submit(each, signal, free)),
    );
    const failure = outcomes.find((outcome) => outcome.status === 'rejected' && !isRace(outcome.reason));
    if (failure?.status === 'rejected') throw failure.reason;
    const lost = outcomes.findIndex(({ status }) => status === 'rejected');
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') continue;
      const isInTurn = lost === -1 || at < lost || outcome.value.refusal === undefined;
      if (isInTurn) results[todo[at]!] = outcome.value;
    }
    if (lost === -1) continue;
    if (++races === NONCE_RACES_MAX) throw (outcomes[lost] as PromiseRejectedResult).reason;
    await parts.clock.sleep(RACE_DELAY_MS * races, signal);
  }
}

const isRace = (error: unknown): boolean => error instanceof StoreError && error.code === 'ALREADY_EXISTS';

async function signAll(
  { client, operations, sha256 }: Performing,
  signer: Signer,
  actions: readonly Action[],
  { signal, fee }: PerformOptions,
): Promise<{ readonly signed: readonly SignedTransaction[]; readonly free: number }> {
  const sender = signer.publicKey as OwnerId;
  const { value, height }: Answer<{ nonce: number; params: Fees }> = await client.read(
    (state) => ({ nonce: accountOf(state, sender).nonce, params: feesOf(parametersOf(state).fees) }),
    signal === undefined ? {} : { signal },
  );
  const { nonce: first, params } = value;
  const expiresAtHeight = height + TRANSACTION_LIFETIME_BLOCKS;
  const signed = actions.map((action, index) => {
    const sign = (paid: bigint): SignedTransaction => {
      const about = {
        network: client.network,
        sender,
        nonce: first + index,
        fee: paid,
        expiresAtHeight,
        action,
      };
      return signTransaction(about, operations, signer, sha256);
    };
    if (fee !== undefined) return sign(fee);
    const free = sign(0n);
    const least = leastFee(params, free.lengthBytes);
    return least === 0n ? free : sign(leastFee(params, free.lengthBytes + FEE_LENGTH));
  });
  return { signed, free: height };
}

type Fees = Parameters<typeof leastFee>[0];

/** By which the number of a fee can be longer than that of none. */
const FEE_LENGTH = 8;

function feesOf(fees: { readonly perTransaction: bigint; readonly perByte: bigint }): Fees {
  return {
    feePerTransaction: fees.perTransaction,
    feePerByte: fees.perByte,
    receiptLifetimeBlocks: 0,
  } satisfies LedgerParams;
}
