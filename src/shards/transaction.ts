// Transactions: signed requests to change the state. Here is their form; what each kind does is in `operations/`.
//
// bytes = canonical [network, sender, nonce, fee, expiresAtHeight, tag, action tuple]; signed under 'transaction'; id = digest under the
// same domain of those bytes. The signature is no part of the id, so nobody can make a second one of the same transaction.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { equal, short } from '../base/bytes.ts';
import { bigUint, bytesOf, decodeCanonical, digestOf, encode, uint } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import { digest, type Sha256, signedBytes } from '../base/hash.ts';
import type { Digest, NetworkId, OwnerId, Signature } from '../base/ids.ts';
import { TRANSACTION_LENGTH_MAX } from '../base/limits.ts';
import type { Signer, Verify } from '../base/ports.ts';
import type { Operation } from './operation.ts';

/** What is to be done: the kind of an operation and its parameters. */
export interface Action {
  readonly kind: string;
  readonly parameters: unknown;
}

export interface Transaction {
  readonly network: NetworkId;
  readonly sender: OwnerId;
  /** Number of the sender's transactions before this one. */
  readonly nonce: number;
  /** Native tokens, taken whether or not the action is refused. */
  readonly fee: bigint;
  /** The last height at which it may be included. */
  readonly expiresAtHeight: number;
  readonly action: Action;
}

export interface SignedTransaction {
  readonly transaction: Transaction;
  readonly signature: Signature;
  readonly id: Digest;
  /** Length of its encoding. */
  readonly lengthBytes: number;
}

/** The kinds of operation that a network knows. */
export class Operations {
  readonly #byKind: ReadonlyMap<string, Operation<unknown>>;
  readonly #byTag: ReadonlyMap<number, Operation<unknown>>;

  constructor(operations: readonly Operation<unknown>[]) {
    this.#byKind = new Map(operations.map((operation) => [operation.kind, operation]));
    this.#byTag = new Map(operations.map((operation) => [operation.tag, operation]));
    assert(this.#byTag.size === operations.length, 'a number names one kind of transaction');
  }

  /** Throws INVALID_ARGUMENT for a kind that there is not. */
  of(kind: string): Operation<unknown> {
    const operation = this.#byKind.get(kind);
    if (operation === undefined) throw new StoreError('INVALID_ARGUMENT', `no transaction kind "${kind}"`);
    return operation;
  }

  withTag(tag: number): Operation<unknown> {
    const operation = this.#byTag.get(tag);
    if (operation === undefined)
      throw new StoreError('INVALID_ENCODING', `transaction: no kind with number ${tag}`);
    return operation;
  }
}

const signedSchema = z.tuple([
  z.tuple([digestOf<NetworkId>(), digestOf<OwnerId>(), uint(), bigUint, uint(), uint(), z.unknown()]),
  bytesOf(64),
]);

function bodyOf(transaction: Transaction, operations: Operations): readonly unknown[] {
  const { network, sender, nonce, fee, expiresAtHeight, action } = transaction;
  const operation = operations.of(action.kind);
  return [network, sender, nonce, fee, expiresAtHeight, operation.tag, operation.tuple(action.parameters)];
}

export function signTransaction(
  transaction: Transaction,
  operations: Operations,
  signer: Signer,
  sha256?: Sha256,
): SignedTransaction {
  const bytes = encode(bodyOf(transaction, operations));
  const signature = signer.sign(signedBytes('transaction', bytes));
  const id = digest('transaction', [bytes], sha256);
  return {
    transaction,
    signature,
    id,
    lengthBytes: encode([bodyOf(transaction, operations), signature]).length,
  };
}

export function encodeTransaction(signed: SignedTransaction, operations: Operations): Uint8Array {
  return encode([bodyOf(signed.transaction, operations), signed.signature]);
}

/** Form only; `verifyTransaction` has the rest. Throws INVALID_ENCODING. */
export function decodeTransaction(
  bytes: Uint8Array,
  operations: Operations,
  sha256?: Sha256,
): SignedTransaction {
  const [body, signature] = decodeCanonical(signedSchema, bytes, TRANSACTION_LENGTH_MAX, 'transaction');
  const [network, sender, nonce, fee, expiresAtHeight, tag, tuple] = body;
  const operation = operations.withTag(tag);
  const parsed = operation.schema.safeParse(tuple);
  if (!parsed.success) {
    throw new StoreError('INVALID_ENCODING', `transaction ${operation.kind}: ${parsed.error.message}`);
  }
  const action: Action = { kind: operation.kind, parameters: parsed.data };
  const transaction: Transaction = { network, sender, nonce, fee, expiresAtHeight, action };
  const id = digest('transaction', [encode(body)], sha256);
  return { transaction, signature: signature as Signature, id, lengthBytes: bytes.length };
}

/** Throws WRONG_NETWORK or INVALID_SIGNATURE. Whether the nonce is next and the fee there, the state tells. */
export function verifyTransaction(
  signed: SignedTransaction,
  network: NetworkId,
  operations: Operations,
  verify: Verify,
): void {
  const { transaction, id } = signed;
  if (!equal(transaction.network, network)) {
    throw new StoreError(
      'WRONG_NETWORK',
      `transaction ${short(id)} is of network ${short(transaction.network)}`,
    );
  }
  if (!isSignedBySender(signed, operations, verify)) {
    throw new StoreError('INVALID_SIGNATURE', `transaction ${short(id)} is not signed by its sender`);
  }
}

export function isSignedBySender(
  { transaction, signature }: SignedTransaction,
  operations: Operations,
  verify: Verify,
): boolean {
  const bytes = encode(bodyOf(transaction, operations));
  return verify(transaction.sender, signedBytes('transaction', bytes), signature);
}
