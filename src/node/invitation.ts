// Invitations: what lets a machine into the network. A node becomes a member by tokens that are bonded to it, and an invitation is a purse of
// them: an account whose key stands in the code. Whoever has the code can take the tokens out, once, for the chain counts them; so
// an invitation needs nobody's leave and nobody's memory when it is used, and whoever made it can take it back with the same code.
// docs/format-membership.md has everything to the byte.
//
//     code    = 'hfjoin' base32(payload checksum[4])        checksum: first bytes of digest('invitation', payload)
//     payload = canonical [network, name, addresses, tokens, secret[16]]
//     purse   = ed25519 key of the seed HKDF-SHA256(secret, salt network id, info 'holdfast/invitation')

import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { base32 } from 'multiformats/bases/base32';
import { z } from 'zod';
import { concat, equal, toUtf8 } from '../base/bytes.ts';
import { bigUint, bytesOf, decodeCanonical, digestOf, encode, label, listOf, text } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import { digest } from '../base/hash.ts';
import type { NetworkId } from '../base/ids.ts';
import { ADDRESS_LENGTH_MAX, INVITATION_ADDRESSES_MAX, INVITATION_LENGTH_MAX } from '../base/limits.ts';

export interface Invitation {
  readonly network: NetworkId;
  readonly name: string;
  /** Bulk addresses of some nodes. */
  readonly addresses: readonly string[];
  /** What is to be bonded. The purse has that much, and a little more where the network takes fees. */
  readonly tokens: bigint;
  readonly secret: Uint8Array;
}

export const INVITATION_SECRET_LENGTH = 16;
const CHECKSUM_LENGTH = 4;
const PREFIX = 'hfjoin';

/** Seed of the key of the account that has the tokens. */
export function purseSeed({ network, secret }: Pick<Invitation, 'network' | 'secret'>): Uint8Array {
  return hkdf(sha256, secret, network, toUtf8('holdfast/invitation'), 32);
}

// ---- The code ------------------------------------------------------------------------------------------------

const schema = z
  .tuple([
    digestOf<NetworkId>(),
    label,
    listOf(text(ADDRESS_LENGTH_MAX), INVITATION_ADDRESSES_MAX),
    bigUint,
    bytesOf(INVITATION_SECRET_LENGTH),
  ])
  .transform(
    ([network, name, addresses, tokens, secret]): Invitation => ({
      network,
      name,
      addresses,
      tokens,
      secret,
    }),
  );

/** The code of an invitation: letters and digits in one word. Worth its tokens until it is used. */
export function formatInvitation(invitation: Invitation): string {
  const { network, name, addresses, tokens, secret } = invitation;
  const few = addresses.slice(0, INVITATION_ADDRESSES_MAX);
  const payload = encode([network, name, few, tokens, secret]);
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
