// Domain-separated SHA-256 for records and ids. A digest of one kind can never be taken for another, because every
// kind hashes its own tag first: SHA-256(length of tag, tag, parts). Parts are not framed: each use hashes
// fixed-length parts, or one canonical encoding.

import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { toUtf8 } from './bytes.ts';
import type { Digest } from './ids.ts';

/** Every domain there is, so that no two uses share one by accident. */
export const DOMAINS = [
  'network',
  'epoch-record',
  'object',
  'segment',
  'placement',
  'shard-members',
  'ticket-put',
  'ticket-remove',
  'confirmation',
  'node-record',
  'shard-record',
  'object-record',
  'manifest',
  'merkle-leaf',
  'merkle-node',
  'invitation',
  'join-request',
  'block',
  'proposal',
  'prevote',
  'precommit',
  'validator-set',
  'proposer-schedule',
  'beacon-mix',
  'beacon-reveal',
  'beacon-seed',
  'state-home',
  'state-record',
  'transaction',
  'receipt',
  'header',
  'state-leaf',
  'state-node',
  'state-value',
  'block-body',
  'shard-header',
  'receipt-batch',
  'commit',
  'evidence',
  'node-registration',
  'admission',
  'parameters',
  'checkpoint',
  'bucket',
  'founding',
  'audit-seed',
  'audit-groups',
  'audit-seats',
  'audit-place',
  'audit-draw',
  'audit-leaf',
  'audit-opening',
  'audit-response',
  'audit-admission',
  'audit-receipt',
  'audit-result',
  'audit-anchor',
] as const;
export type Domain = (typeof DOMAINS)[number];

/** SHA-256 over the concatenation of `parts`. The portable one is below; the runtime offers a native one. */
export type Sha256 = (...parts: readonly Uint8Array[]) => Uint8Array;

export const portableSha256: Sha256 = (...parts) => {
  const state = nobleSha256.create();
  for (const part of parts) state.update(part);
  return state.digest();
};

const TAGS: ReadonlyMap<Domain, Uint8Array> = new Map(
  DOMAINS.map((domain) => {
    const tag = toUtf8(`holdfast/${domain}`);
    return [domain, new Uint8Array([tag.length, ...tag])];
  }),
);

/** Digest of `parts` under `domain`. */
export function digest(
  domain: Domain,
  parts: readonly Uint8Array[],
  sha256: Sha256 = portableSha256,
): Digest {
  return sha256(TAGS.get(domain)!, ...parts) as Digest;
}

/** The bytes that a signature of this kind covers: tag, then parts. The same rule as `digest`. */
export function signedBytes(domain: Domain, bytes: Uint8Array): Uint8Array {
  const tag = TAGS.get(domain)!;
  const out = new Uint8Array(tag.length + bytes.length);
  out.set(tag);
  out.set(bytes, tag.length);
  return out;
}
