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

/** Nobody may change the bytes: those of a decoded transaction are the ones that it came in. */
export function encodeTransaction(signed: SignedTransaction, operations: Operations): Uint8Array {
  return (
    DecodedTransaction.bytesOf(signed) ?? encode([bodyOf(signed.transaction, operations), signed.signature])
  );
}

/** A transaction that was decoded is encoded again on its way: for the signature, for the block, for whoever is told of it. It keeps its bytes. */
class DecodedTransaction implements SignedTransaction {
  readonly transaction: Transaction;
  readonly signature: Signature;
  readonly id: Digest;
  readonly lengthBytes: number;
  readonly #bytes: Uint8Array;

  constructor(transaction: Transaction, signature: Signature, id: Digest, bytes: Uint8Array) {
    this.transaction = transaction;
    this.signature = signature;
    this.id = id;
    this.lengthBytes = bytes.length;
    this.#bytes = bytes;
  }

  /** Undefined for one that was not decoded, and for a copy, which may say something else. */
  static bytesOf(signed: SignedTransaction): Uint8Array | undefined {
    return #bytes in signed ? signed.#bytes : undefined;
  }
}

/** Of the list around the two parts, and of the signature with its own header. */
const LIST_LENGTH = 1;
const SIGNATURE_LENGTH = 66;

/** The first part of a canonical transaction: what its id is the digest of, and what is signed. */
function bodyIn(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(LIST_LENGTH, bytes.length - SIGNATURE_LENGTH);
}

function bodyBytes(signed: SignedTransaction, operations: Operations): Uint8Array {
  const bytes = DecodedTransaction.bytesOf(signed);
  return bytes === undefined ? encode(bodyOf(signed.transaction, operations)) : bodyIn(bytes);
}

/** A transaction that was decoded before, by its id. */
export type KnownTransactions = (id: Digest) => SignedTransaction | undefined;

/**
 * Form only; `verifyTransaction` has the rest. Takes over `bytes`, which nobody may change. One that is known by these very bytes is not
 * decoded again. Throws INVALID_ENCODING.
 */
export function decodeTransaction(
  bytes: Uint8Array,
  operations: Operations,
  sha256?: Sha256,
  known?: KnownTransactions,
): SignedTransaction {
  const id = digest('transaction', [bodyIn(bytes)], sha256);
  const same = known?.(id);
  if (same !== undefined) {
    const its = DecodedTransaction.bytesOf(same);
    if (its !== undefined && equal(its, bytes)) return same;
  }
  const [body, signature] = decodeCanonical(signedSchema, bytes, TRANSACTION_LENGTH_MAX, 'transaction');
  const [network, sender, nonce, fee, expiresAtHeight, tag, tuple] = body;
  const operation = operations.withTag(tag);
  const parsed = operation.schema.safeParse(tuple);
  if (!parsed.success) {
    throw new StoreError('INVALID_ENCODING', `transaction ${operation.kind}: ${parsed.error.message}`);
  }
  const action: Action = { kind: operation.kind, parameters: parsed.data };
  const transaction: Transaction = { network, sender, nonce, fee, expiresAtHeight, action };
  return new DecodedTransaction(transaction, signature as Signature, id, bytes);
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

export function isSignedBySender(signed: SignedTransaction, operations: Operations, verify: Verify): boolean {
  if (verifiedBy.get(signed) === verify) return true;
  const bytes = bodyBytes(signed, operations);
  const isSigned = verify(signed.transaction.sender, signedBytes('transaction', bytes), signed.signature);
  // A decoded one stays as it is.
  if (isSigned && DecodedTransaction.bytesOf(signed) !== undefined) verifiedBy.set(signed, verify);
  return isSigned;
}

/** Who found the signature good, so that it is asked once: when the transaction comes, and not again when its block does. */
const verifiedBy: WeakMap<SignedTransaction, Verify> = new WeakMap();
