// Signatures and keys that no honest signer makes, on which the verifiers of the world disagree. Whoever gets
// one accepted by half of the nodes and refused by the others has split the network.

import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concat, fromHex, uint32 } from '../../src/base/bytes.ts';

export interface Forgery {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;
/** A point of order eight: its multiples are all points of small order. */
const TORSION = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
const SEED = new Uint8Array(32).fill(42);
const HONEST = ed25519.utils.getExtendedPublicKey(SEED);

/** y + p where it still fits: a second encoding of the same point, for the few points with y below 19. */
const NOT_CANONICAL = [
  `ed${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}ff`,
  `ee${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}ff`,
  `${'ff'.repeat(31)}7f`,
  `01${'00'.repeat(30)}80`,
  `ec${'ff'.repeat(30)}ff`,
].map(fromHex);

export const SMALL_ORDER_KEYS: readonly Uint8Array[] = [
  Point.ZERO.toBytes(),
  ...Array.from({ length: 7 }, (_, index) => TORSION.multiplyUnsafe(BigInt(index + 1)).toBytes()),
];
export const NOT_CANONICAL_KEYS: readonly Uint8Array[] = NOT_CANONICAL;

/**
 * Signatures under each key of small order that satisfy the bare equation, without knowledge of any secret.
 */
export function smallOrderForgeries(): Forgery[] {
  return SMALL_ORDER_KEYS.flatMap((publicKey, order) => {
    const a = Point.fromBytes(publicKey);
    for (let attempt = 0; attempt < 200; attempt++) {
      const message = uint32(attempt);
      const r = TORSION.multiplyUnsafe(BigInt(attempt % 8) || 8n).toBytes();
      const k = challenge(r, publicKey, message);
      const wanted = Point.ZERO.subtract(a.multiplyUnsafe(k % 8n || 8n)).toBytes();
      if (Buffer.compare(wanted, r) !== 0) continue;
      return [{ name: `key of small order ${order}`, publicKey, message, signature: join(r, 0n) }];
    }
    return [];
  });
}

/** Pass where the equation is multiplied by the cofactor, fail where it is not. */
export function cofactorForgeries(): Forgery[] {
  const publicKey = HONEST.pointBytes;
  const message = uint32(7);
  const r = 123_456_789n;
  const bent = Point.BASE.multiply(r).add(TORSION).toBytes();
  const signature = join(bent, mod(r + challenge(bent, publicKey, message) * HONEST.scalar));
  const mixed = mixedKeySignatures().find(({ isEquationMet }) => !isEquationMet)!;
  return [
    { name: 'R with a part of small order', publicKey, message, signature },
    { ...mixed, name: 'key with a part of small order' },
  ];
}

/**
 * Signatures under a key of mixed order; where the challenge is a multiple of eight, the small part vanishes.
 */
export function mixedKeySignatures(): (Forgery & { readonly isEquationMet: boolean })[] {
  const publicKey = HONEST.point.add(TORSION).toBytes();
  const r = 987_654_321n;
  const rBytes = Point.BASE.multiply(r).toBytes();
  return Array.from({ length: 24 }, (_, index) => {
    const message = uint32(index);
    const k = challenge(rBytes, publicKey, message);
    return {
      name: `mixed key, message ${index}`,
      publicKey,
      message,
      signature: join(rBytes, mod(r + k * HONEST.scalar)),
      isEquationMet: k % 8n === 0n,
    };
  });
}

/** Second forms of a good signature. */
export function malleatedForgeries(): Forgery[] {
  const publicKey = HONEST.pointBytes;
  const message = uint32(1);
  const good = ed25519.sign(message, SEED);
  const s = littleEndian(good.subarray(32));
  const r = good.subarray(0, 32);
  const other = (name: string, signature: Uint8Array): Forgery => ({ name, publicKey, message, signature });
  return [
    other('S plus the group order', join(r, s + ORDER)),
    other('S plus three times the group order', join(r, s + 3n * ORDER)),
    other('all ones', new Uint8Array(64).fill(255)),
    other('all zeros', new Uint8Array(64)),
    ...NOT_CANONICAL.map((bytes, index) => {
      const k = challenge(bytes, publicKey, message);
      return other(`R in non-canonical form ${index}`, join(bytes, mod(k * HONEST.scalar)));
    }),
  ];
}

/** R is the identity: made without a nonce, so that it gives away the secret key; the equation holds. */
export function identitySignature(): Forgery {
  const r = Point.ZERO.toBytes();
  const message = uint32(2);
  const k = challenge(r, HONEST.pointBytes, message);
  return {
    name: 'R is the identity',
    publicKey: HONEST.pointBytes,
    message,
    signature: join(r, mod(k * HONEST.scalar)),
  };
}

function challenge(r: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint {
  return mod(littleEndian(sha512(concat(r, publicKey, message))));
}

function mod(value: bigint): bigint {
  return value % ORDER;
}

function join(r: Uint8Array, s: bigint): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(r);
  for (let index = 0; index < 32; index++) bytes[32 + index] = Number((s >> BigInt(8 * index)) & 255n);
  return bytes;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
