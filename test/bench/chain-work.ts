// What a chain is given to do in a measurement: a founding document with as many validators and accounts as it takes, and transactions
// that are signed before anything is timed. The same index always gives the same account.

import { signEpoch } from '../../src/base/epoch.ts';
import type { Digest, NetworkId, NodeId, OwnerId } from '../../src/base/ids.ts';
import { DEFAULT_PARAMS } from '../../src/base/params.ts';
import type { Signer } from '../../src/base/ports.ts';
import { DEFAULT_TIMEOUTS } from '../../src/consensus/types.ts';
import { nativeSha256, nativeSigner } from '../../src/runtime/crypto.ts';
import { accountHome } from '../../src/shards/account.ts';
import { amountOf, NATIVE } from '../../src/shards/amounts.ts';
import { type BucketId, bucketIdOf, DEFAULT_POLICY } from '../../src/shards/bucket.ts';
import { type FoundingDocument, signFounding } from '../../src/shards/founding.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { DEFAULT_PARAMETERS } from '../../src/shards/parameters.ts';
import { shardOfHome } from '../../src/shards/state-key.ts';
import { type Action, encodeTransaction, signTransaction } from '../../src/shards/transaction.ts';
import { digestFrom, sampleEpoch, sampleGenesis, sampleMember, signerFrom } from '../helpers/records.ts';

/** Transactions are told apart by so many hex digits of their ids. */
export const ID_HEX = 16;
/** So many accounts hand in transactions, in turn. */
export const SENDERS = 64;
/** A put-name transaction is a kibibyte with a name of this length: as long as an encrypted path of some depth. */
const NAME_LENGTH = 720;
const BUCKET = 'bench';
const EXPIRES_AT_HEIGHT = 90_000;

export interface WorkOptions {
  readonly validators: readonly NodeId[];
  readonly shardBits?: number;
  /** Accounts that have tokens; SENDERS when absent. */
  readonly accounts?: number;
}

/** Epochs are long enough that no border falls into a measurement. */
export function benchFounding(options: WorkOptions): FoundingDocument {
  const { validators, shardBits = 0, accounts = SENDERS } = options;
  const members = validators.map((node, index) => sampleMember(index, { node }));
  const genesisSigner = signerFrom('genesis of sample');
  const epoch = sampleEpoch(members, { ...DEFAULT_PARAMS, shardBits, shardMembersMin: 1 });
  return signFounding(
    signEpoch(sampleGenesis(), epoch, genesisSigner),
    {
      parameters: { ...DEFAULT_PARAMETERS, timeouts: DEFAULT_TIMEOUTS },
      operators: members.map(({ operator }, index) => [operator, ownerOf(`operator ${index}`)]),
      balances: Array.from({ length: accounts }, (_, index) => [
        accountAt(index).owner,
        amountOf(NATIVE, 1_000_000_000n),
      ]),
      chains: [],
    },
    genesisSigner,
    nativeSha256,
  );
}

const ownerOf = (name: string): OwnerId => signerFrom(name).publicKey as OwnerId;

export interface Account {
  readonly signer: Signer;
  readonly owner: OwnerId;
}

const known = new Map<number, Account>();

export function accountAt(index: number): Account {
  const found = known.get(index);
  if (found !== undefined) return found;
  const signer = nativeSigner(digestFrom(`bench account ${index}`));
  const account = { signer, owner: signer.publicKey as OwnerId };
  known.set(index, account);
  return account;
}

/** Signed, as it is handed in. */
export interface Handed {
  readonly id: Digest;
  readonly bytes: Uint8Array;
  /** Index of the account: its transactions go to one node, in the order of nonces. */
  readonly sender: number;
}

/** Signs transactions of accounts, each with the next nonce. */
export class Work {
  readonly #network: NetworkId;
  readonly #nonces = new Map<number, number>();
  #names = 0;

  constructor(network: NetworkId) {
    this.#network = network;
  }

  sign(sender: number, action: Action): Handed {
    const { signer, owner } = accountAt(sender);
    const nonce = this.#nonces.get(sender) ?? 0;
    this.#nonces.set(sender, nonce + 1);
    const { operations } = LEDGER_RULES;
    const network = this.#network;
    const transaction = {
      network,
      sender: owner,
      nonce,
      fee: 0n,
      expiresAtHeight: EXPIRES_AT_HEIGHT,
      action,
    };
    const signed = signTransaction(transaction, operations, signer, nativeSha256);
    return { id: signed.id, bytes: encodeTransaction(signed, operations), sender };
  }

  transfer(sender: number, to: number): Handed {
    const parameters = { to: accountAt(to).owner, amounts: amountOf(NATIVE, 1n) };
    return this.sign(sender, { kind: 'transfer', parameters });
  }

  /** `count` transfers of the senders in turn, each to the next of them. */
  transfers(count: number): readonly Handed[] {
    return Array.from({ length: count }, (_, index) => this.transfer(index % SENDERS, (index + 1) % SENDERS));
  }

  bucketOf(sender: number): BucketId {
    return bucketIdOf(this.#network, accountAt(sender).owner, BUCKET, nativeSha256);
  }

  /** A bucket for each sender, once, before names are put. */
  buckets(): readonly Handed[] {
    return Array.from({ length: SENDERS }, (_, sender) => {
      const parameters = { bucket: this.bucketOf(sender), name: BUCKET, policy: DEFAULT_POLICY };
      return this.sign(sender, { kind: 'create-bucket', parameters });
    });
  }

  /** `count` new names, in the buckets of the senders in turn. */
  names(count: number): readonly Handed[] {
    return Array.from({ length: count }, (_, index) => {
      const sender = index % SENDERS;
      const parameters = {
        bucket: this.bucketOf(sender),
        name: nameAt(this.#names++),
        object: {
          manifest: digestFrom(`manifest ${index % 64}`),
          object: digestFrom(`object ${index % 64}`),
          lengthBytes: 10_240,
          wrappedKey: new Uint8Array(48),
        },
        condition: { kind: 'any' },
      };
      return this.sign(sender, { kind: 'put-name', parameters });
    });
  }
}

/** Bytes without pattern, as encrypted names are. */
function nameAt(index: number): Uint8Array {
  const name = new Uint8Array(NAME_LENGTH);
  for (let at = 0, part = 0; at < NAME_LENGTH; at += 32, part++) {
    const bytes = nativeSha256(new Uint8Array(Uint32Array.of(index, part).buffer));
    name.set(bytes.subarray(0, Math.min(32, NAME_LENGTH - at)), at);
  }
  return name;
}

/** Pairs of accounts among `accounts`, in one shard or in two different ones. */
export function pairs(
  accounts: number,
  shardBits: number,
  isCross: boolean,
): readonly (readonly [from: number, to: number])[] {
  const shards = Array.from({ length: accounts }, (_, index) =>
    shardOfHome(accountHome(accountAt(index).owner), shardBits),
  );
  return shards.flatMap((shard, from) => {
    for (let step = 1; step < accounts; step++) {
      const to = (from + step) % accounts;
      if ((shards[to] !== shard) === isCross) return [[from, to] as const];
    }
    return [];
  });
}
