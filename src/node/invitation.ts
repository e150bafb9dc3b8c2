// Invitations: what lets a machine into the network. The code that travels by mail is one word of base32; the founder keeps
// nothing when it makes one, so that "store invite" needs the genesis key and no running node. The secret in it follows
// from the terms and the genesis key, so the founder can check it; that a code was used is all it has to remember.
// docs/format-membership.md has everything to the byte.
//
//     code    = 'hfjoin' base32(payload checksum[4])        checksum: first bytes of digest('invitation', payload)
//     payload = canonical [network, name, founder, addresses, terms, secret[16]]
//     terms   = [id[16], expiresAtMs, operator or null, stakeMax]
//     secret  = first 16 bytes of HMAC-SHA256(invitation key, canonical [network, terms])
//     invitation key = HKDF-SHA256(genesis seed, info 'holdfast/invitation-key')

import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { base32 } from 'multiformats/bases/base32';
import { z } from 'zod';
import { concat, equal, toUtf8 } from '../base/bytes.ts';
import {
  bigUint,
  bytesOf,
  decodeCanonical,
  digestOf,
  encode,
  label,
  listOf,
  text,
  uint,
} from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import { digest } from '../base/hash.ts';
import type { NetworkId, NodeId, OperatorId, Stake } from '../base/ids.ts';
import { ADDRESS_LENGTH_MAX, INVITATION_ADDRESSES_MAX, INVITATION_LENGTH_MAX } from '../base/limits.ts';
import type { Clock } from '../base/ports.ts';

/** What the founder promises; the joining node shows it, the secret proves it. */
export interface InvitationTerms {
  /** 16 random bytes that name the invitation. */
  readonly id: Uint8Array;
  readonly expiresAtMs: number;
  /** Whom it is for: lets a further node of a known operator in. Undefined: an operator of a name not yet taken. */
  readonly operator: OperatorId | undefined;
  /** Most stake the new member may have. */
  readonly stakeMax: Stake;
}

export interface Invitation {
  readonly network: NetworkId;
  readonly name: string;
  /** Who admits: the joining node proves its secret to nobody else. */
  readonly founder: NodeId;
  /** Bulk addresses of the founder. */
  readonly addresses: readonly string[];
  readonly terms: InvitationTerms;
  readonly secret: Uint8Array;
}

/** How long an invitation is good unless said otherwise: a week. */
export const INVITATION_LIFETIME_MS: number = 7 * 24 * 3600 * 1000;

export const INVITATION_ID_LENGTH = 16;
const SECRET_LENGTH = 16;
const CHECKSUM_LENGTH = 4;
const PREFIX = 'hfjoin';

/** Terms inside a record. */
export const termsSchema: z.ZodType<InvitationTerms> = z
  .tuple([bytesOf(INVITATION_ID_LENGTH), uint(), z.union([label, z.null()]), bigUint])
  .transform(
    ([id, expiresAtMs, operator, stakeMax]): InvitationTerms => ({
      id,
      expiresAtMs,
      operator: (operator ?? undefined) as OperatorId | undefined,
      stakeMax: stakeMax as Stake,
    }),
  );

export const termsTuple = (terms: InvitationTerms): unknown[] => [
  terms.id,
  terms.expiresAtMs,
  terms.operator ?? null,
  terms.stakeMax,
];

/** The secret of an invitation, from the seed of the genesis key. Only the founder can make and check it. */
export function invitationSecret(
  genesisSeed: Uint8Array,
  network: NetworkId,
  terms: InvitationTerms,
): Uint8Array {
  const key = hkdf(sha256, genesisSeed, undefined, toUtf8('holdfast/invitation-key'), 32);
  return hmac(sha256, key, encode([network, termsTuple(terms)])).slice(0, SECRET_LENGTH);
}

// ---- The code ------------------------------------------------------------------------------------------------

const schema = z
  .tuple([
    digestOf<NetworkId>(),
    label,
    digestOf<NodeId>(),
    listOf(text(ADDRESS_LENGTH_MAX), INVITATION_ADDRESSES_MAX),
    termsSchema,
    bytesOf(SECRET_LENGTH),
  ])
  .transform(
    ([network, name, founder, addresses, terms, secret]): Invitation => ({
      network,
      name,
      founder,
      addresses,
      terms,
      secret,
    }),
  );

/** The code of an invitation: letters and digits in one word. A secret until it is used. */
export function formatInvitation(invitation: Invitation): string {
  const { network, name, founder, addresses, terms, secret } = invitation;
  const few = addresses.slice(0, INVITATION_ADDRESSES_MAX);
  const payload = encode([network, name, founder, few, termsTuple(terms), secret]);
  // base32 of multiformats puts the multibase letter in front, which the prefix stands for.
  return PREFIX + base32.encode(concat(payload, checksumOf(payload))).slice(1);
}

/**
 * The invitation that a code spells; blanks, hyphens and capitals do not matter. Throws INVALID_ARGUMENT that says what is off,
 * without repeating the code.
 */
export function parseInvitation(code: string): Invitation {
  if (code.length > 4 * INVITATION_LENGTH_MAX) throw notOne('it is too long');
  const letters = code.replaceAll(/[\s-]/g, '').toLowerCase();
  if (!letters.startsWith(PREFIX)) throw notOne(`it does not begin with ${PREFIX}`);
  const wrongAt = letters.search(/[^a-z2-7]/);
  if (wrongAt >= 0) {
    throw notOne(`character ${wrongAt + 1}, ${JSON.stringify(letters[wrongAt])}, never stands in a code`);
  }
  const bytes = decodeLetters(letters.slice(PREFIX.length));
  const payload = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_LENGTH));
  if (!equal(bytes.subarray(payload.length), checksumOf(payload))) {
    throw notOne('its checksum does not match, so a character is wrong or missing');
  }
  try {
    return decodeCanonical(schema, payload, INVITATION_LENGTH_MAX, 'invitation');
  } catch (error) {
    throw notOne('it was not made by this program', error);
  }
}

function decodeLetters(letters: string): Uint8Array {
  try {
    return base32.decode(`b${letters}`);
  } catch (error) {
    throw notOne('it is cut off or a character is wrong', error);
  }
}

function checksumOf(payload: Uint8Array): Uint8Array {
  return digest('invitation', [payload]).subarray(0, CHECKSUM_LENGTH);
}

function notOne(reason: string, cause?: unknown): StoreError {
  return new StoreError('INVALID_ARGUMENT', `this is not an invitation code: ${reason}`, {
    next: 'Copy the code again, whole, as "store invite" printed it.',
    cause,
  });
}

/** Throws UNAUTHORIZED when the invitation is over by this machine's clock. */
export function checkInvitationTime(terms: InvitationTerms, clock: Clock): void {
  if (terms.expiresAtMs > clock.now()) return;
  const minutes = Math.ceil((clock.now() - terms.expiresAtMs) / 60_000);
  throw new StoreError('UNAUTHORIZED', `the invitation ended ${minutes} min ago`, {
    next: 'Ask the founder for a new one ("store invite"), and compare the clocks of both machines.',
  });
}
