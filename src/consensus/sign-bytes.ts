// What a validator signs. The bytes name the network, the kind, the place and the value, and neither the signer nor a
// time: all prevotes of one polka and all precommits of one commit certificate are byte for byte the same, so that their
// signatures can be checked against one text today and be added up into one tomorrow.
//
//   u8 length of tag | "holdfast/" kind | u8 protocol | network id 32 | u8 kind | u64 height | u32 round
//   | value | i32 validRound                     proposals and prevotes only
//   value = u8 0                                 nil: a tag of its own, never an id of zeros
//         | u8 1 | block id 32

import { assert } from '../base/assert.ts';
import { signedBytes } from '../base/hash.ts';
import { DIGEST_LENGTH, type NetworkId } from '../base/ids.ts';
import type { Verify } from '../base/ports.ts';
import { Writer } from './binary.ts';
import { formProblem } from './form.ts';
import { CONSENSUS_PROTOCOL, KIND_TAGS, saidLength, writeSaid } from './messages.ts';
import type { Proposal, UnsignedMessage, ValidatorSet, Vote } from './types.ts';

const PLACE_LENGTH: number = 8 + 4;

/**
 * Throws nothing; asserts that the message is in form. Not to be written to: who says the same gets the same bytes, because those of one
 * round mostly do.
 */
export function signBytes(network: NetworkId, message: UnsignedMessage): Uint8Array {
  const latest = latestOf(network)[message.kind];
  if (latest.said === undefined || !isAlike(latest.said, message)) {
    latest.bytes = encodeText(latest.prefix, message);
    latest.said = message;
  }
  return latest.bytes;
}

/** The signer is no part of what is signed. */
function isAlike(a: UnsignedMessage, b: UnsignedMessage): boolean {
  return (
    a.round === b.round && a.height === b.height && a.blockId === b.blockId && a.validRound === b.validRound
  );
}

function encodeText(prefix: Uint8Array, message: UnsignedMessage): Uint8Array {
  assert(formProblem(message) === undefined, 'a message that is signed is in form');
  const writer = new Writer(prefix.length + PLACE_LENGTH + saidLength(message));
  writer.raw(prefix);
  writer.uint64(message.height);
  writer.uint32(message.round);
  writeSaid(writer, message);
  return writer.finish();
}

/** True when the member that the message names has signed it; false for who is no member of `set`, the set of that height. */
export function isSigned(
  network: NetworkId,
  set: ValidatorSet,
  message: Proposal | Vote,
  verify: Verify,
): boolean {
  const signer = set.validators[message.validator];
  return signer !== undefined && verify(signer.node, signBytes(network, message), message.signature);
}

/** The text made last for a kind, and what it says. */
interface Latest {
  readonly prefix: Uint8Array;
  said: UnsignedMessage | undefined;
  bytes: Uint8Array;
}

type LatestByKind = Readonly<Record<UnsignedMessage['kind'], Latest>>;

/** A process speaks of one network, a test of a few; an id that nobody holds any more takes its texts along. */
const latestByNetwork = new WeakMap<NetworkId, LatestByKind>();

function latestOf(network: NetworkId): LatestByKind {
  let found = latestByNetwork.get(network);
  if (found === undefined) {
    assert(network.length === DIGEST_LENGTH, 'a network id has 32 bytes');
    found = {
      proposal: nothingYet('proposal', network),
      prevote: nothingYet('prevote', network),
      precommit: nothingYet('precommit', network),
    };
    latestByNetwork.set(network, found);
  }
  return found;
}

function nothingYet(kind: UnsignedMessage['kind'], network: NetworkId): Latest {
  const prefix = signedBytes(kind, new Uint8Array([CONSENSUS_PROTOCOL, ...network, KIND_TAGS[kind]]));
  return { prefix, said: undefined, bytes: prefix };
}
