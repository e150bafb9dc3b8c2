// Joining: a machine with an invitation becomes a member. It says what it offers, signs that with its node key and proves the
// secret; the founder draws its admission seed, puts it into the next epoch record and signs that.
//
// Invariants: an invitation admits one node, whatever is killed when (it is marked used, durably, before the record is
// signed); the same node may ask again and gets the record in force; nobody takes the name of an operator who is there.

import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { z } from 'zod';
import { concat, equal, short, toUtf8 } from '../base/bytes.ts';
import {
  bigUint,
  bytesOf,
  bytesUpTo,
  decodeCanonical,
  digestOf,
  encode,
  label,
  listOf,
  uint,
} from '../base/codec.ts';
import { decodeEpoch, encodeEpoch, epochDigest, signEpoch, type SignedEpoch } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import { type Sha256, signedBytes } from '../base/hash.ts';
import type { Epoch, NetworkId, NodeId, OperatorId, Signature, Stake } from '../base/ids.ts';
import {
  DOMAIN_LABELS_MAX,
  EPOCH_RECORD_LENGTH_MAX,
  EXCHANGE_TIMEOUT_MS,
  FOUNDING_LENGTH_MAX,
  JOIN_REQUESTS_PER_SECOND,
  MEMBERS_MAX,
  SERVICE_HEADER_LENGTH_MAX,
} from '../base/limits.ts';
import type { Clock, KeyValue, Random, Service, Signer, Verify } from '../base/ports.ts';
import { decodeFounding, encodeFounding, type FoundingDocument } from '../shards/founding.ts';
import { admit, type Candidate } from './candidate.ts';
import {
  checkInvitationTime,
  invitationSecret,
  type InvitationTerms,
  termsSchema,
  termsTuple,
} from './invitation.ts';
import { EMPTY_HEADER } from './keeper-ports.ts';
import type { Membership } from './membership.ts';

export const JOIN_SERVICE = 'join';

export interface JoinRequest {
  readonly candidate: Candidate;
  readonly terms: InvitationTerms;
  /** HMAC-SHA256 under the invitation's secret, over what is signed. */
  readonly proof: Uint8Array;
  /** By the joining node's key. */
  readonly signature: Signature;
}

const schema = z
  .tuple([
    digestOf<NodeId>(),
    label,
    bigUint,
    uint(),
    listOf(z.tuple([label, label]), DOMAIN_LABELS_MAX),
    termsSchema,
    bytesOf(32),
    bytesOf(64),
  ])
  .transform(
    ([node, operator, stake, capacityBytes, domains, terms, proof, signature]): JoinRequest => ({
      candidate: { node, operator: operator as OperatorId, stake: stake as Stake, capacityBytes, domains },
      terms,
      proof,
      signature: signature as Signature,
    }),
  );

const candidateTuple = ({ node, operator, stake, capacityBytes, domains }: Candidate): unknown[] => [
  node,
  operator,
  stake,
  capacityBytes,
  domains,
];

export function encodeJoinRequest(request: JoinRequest): Uint8Array {
  const { candidate, terms, proof, signature } = request;
  return encode([...candidateTuple(candidate), termsTuple(terms), proof, signature]);
}

export function decodeJoinRequest(bytes: Uint8Array): JoinRequest {
  return decodeCanonical(schema, bytes, SERVICE_HEADER_LENGTH_MAX, 'join request');
}

/** A request of `candidate`, signed by its own key. */
export function makeJoinRequest(
  network: NetworkId,
  candidate: Candidate,
  invitation: { readonly terms: InvitationTerms; readonly secret: Uint8Array },
  node: Signer,
): JoinRequest {
  const said = joinBytes(network, candidate, invitation.terms);
  return {
    candidate,
    terms: invitation.terms,
    proof: hmac(sha256, invitation.secret, said),
    signature: node.sign(said),
  };
}

function joinBytes(network: NetworkId, candidate: Candidate, terms: InvitationTerms): Uint8Array {
  return signedBytes('join-request', encode([network, ...candidateTuple(candidate), termsTuple(terms)]));
}

/** What a new member keeps: the record that names it, and what the network began with. */
export interface JoinReply {
  readonly epoch: SignedEpoch;
  readonly founding: FoundingDocument;
}

/** Both documents at their longest, and their heads. */
export const JOIN_REPLY_LENGTH_MAX: number = EPOCH_RECORD_LENGTH_MAX + FOUNDING_LENGTH_MAX + 16;

const replySchema = z.tuple([bytesUpTo(EPOCH_RECORD_LENGTH_MAX), bytesUpTo(FOUNDING_LENGTH_MAX)]);

export function encodeJoinReply({ epoch, founding }: JoinReply): Uint8Array {
  return encode([encodeEpoch(epoch), encodeFounding(founding)]);
}

/** Parses and verifies. Throws INVALID_ENCODING, WRONG_NETWORK, INVALID_SIGNATURE. */
export function decodeJoinReply(bytes: Uint8Array, network: NetworkId, verify: Verify): JoinReply {
  const [epoch, founding] = decodeCanonical(replySchema, bytes, JOIN_REPLY_LENGTH_MAX, 'join reply');
  return {
    epoch: decodeEpoch(epoch, network, verify),
    founding: decodeFounding(founding, network, verify),
  };
}

// ---- At the founder -------------------------------------------------------------------------------------------

export interface FounderPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly keyValue: KeyValue;
  readonly verify: Verify;
  readonly sha256: Sha256;
  readonly membership: Membership;
  readonly genesisSigner: Signer;
  readonly genesisSeed: () => Uint8Array;
  readonly founding: FoundingDocument;
}

export interface FounderOptions {
  /** Told after a new member is in force, with the record that says so. */
  readonly onAdmitted?: (signed: SignedEpoch, node: NodeId) => void;
}

/** The service of a founder that admits new members. The reply's body is a `JoinReply`. */
export function joinService(ports: FounderPorts, options: FounderOptions = {}): Service {
  let turn: Promise<unknown> = Promise.resolve();
  return {
    name: JOIN_SERVICE,
    maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
    maxBodyLength: 0,
    timeoutMs: EXCHANGE_TIMEOUT_MS,
    maxConcurrentPerPeer: 1,
    maxPerSecondPerPeer: JOIN_REQUESTS_PER_SECOND,
    handle: async (from, header) => {
      const request = decodeJoinRequest(header);
      checkRequest(ports, request, from);
      // One at a time: each record follows from the one before.
      const admitting = turn.then(() => admitMember(ports, options, request));
      turn = admitting.catch(() => undefined);
      const epoch = await admitting;
      return { header: EMPTY_HEADER, body: [encodeJoinReply({ epoch, founding: ports.founding })] };
    },
  };
}

/** Throws UNAUTHORIZED or INVALID_SIGNATURE unless this request is this peer's and its invitation is ours. */
function checkRequest(ports: FounderPorts, request: JoinRequest, from: NodeId): void {
  const { candidate, terms, proof, signature } = request;
  const network = ports.membership.network;
  if (!equal(candidate.node, from)) {
    throw new StoreError('UNAUTHORIZED', `node ${short(from)} asks to join as node ${short(candidate.node)}`);
  }
  const said = joinBytes(network, candidate, terms);
  const secret = invitationSecret(ports.genesisSeed(), network, terms);
  if (!equal(proof, hmac(sha256, secret, said))) {
    throw new StoreError('UNAUTHORIZED', 'the founder did not make this invitation', {
      next: 'Ask the founder for an invitation to this network.',
    });
  }
  if (!ports.verify(from, said, signature)) {
    throw new StoreError('INVALID_SIGNATURE', `the join request is not signed by node ${short(from)}`);
  }
}

async function admitMember(
  ports: FounderPorts,
  options: FounderOptions,
  { candidate, terms }: JoinRequest,
): Promise<SignedEpoch> {
  const current = ports.membership.current();
  const usedBy = await ports.keyValue.get(usedKey(terms));
  const isMember = ports.membership.member(candidate.node) !== undefined;
  if (isMember && usedBy !== undefined && equal(usedBy, candidate.node)) return current;
  if (usedBy !== undefined && !equal(usedBy, candidate.node)) {
    throw new StoreError('UNAUTHORIZED', 'this invitation was used by another node', {
      next: 'Ask the founder for a new one: an invitation admits one node.',
    });
  }
  checkInvitationTime(terms, ports.clock);
  if (isMember) return current;
  checkCandidate(current, candidate, terms);
  const next = nextEpoch(ports, current, candidate);
  const encoded = encodeEpoch(next);
  // Before the invitation counts as used: nobody could read the record that it led to.
  if (encoded.length > EPOCH_RECORD_LENGTH_MAX) {
    throw new StoreError('FULL', `the epoch record would be longer than ${EPOCH_RECORD_LENGTH_MAX} bytes`, {
      next: 'Ask with shorter or fewer failure domains.',
    });
  }
  await ports.keyValue.batch([{ kind: 'put', key: usedKey(terms), value: candidate.node }], {
    isDurable: true,
  });
  await ports.membership.offer(encoded);
  options.onAdmitted?.(next, candidate.node);
  return next;
}

function usedKey(terms: InvitationTerms): Uint8Array {
  return concat(toUtf8('invitation/used/'), terms.id);
}

/** Throws UNAUTHORIZED, INVALID_ARGUMENT or FULL when the terms or the record have no place for such a member. */
function checkCandidate(current: SignedEpoch, candidate: Candidate, terms: InvitationTerms): void {
  const { operator, stake } = candidate;
  if (stake > terms.stakeMax) {
    throw new StoreError('UNAUTHORIZED', `stake ${stake} is above the ${terms.stakeMax} of the invitation`);
  }
  if (terms.operator !== undefined && operator !== terms.operator) {
    throw new StoreError('UNAUTHORIZED', `the invitation is for operator ${terms.operator}, not ${operator}`);
  }
  const isTaken = current.record.members.some((member) => member.operator === operator);
  if (terms.operator === undefined && isTaken) {
    throw new StoreError('UNAUTHORIZED', `operator ${operator} is a member already`, {
      next: `Choose another operator name, or ask for "store invite --operator ${operator}" if that is you.`,
    });
  }
  if (current.record.members.length >= MEMBERS_MAX) {
    throw new StoreError('FULL', `the network has ${MEMBERS_MAX} members, which is all it can`);
  }
}

function nextEpoch(ports: FounderPorts, current: SignedEpoch, candidate: Candidate): SignedEpoch {
  const { record, genesis } = current;
  const next = {
    ...record,
    epoch: (record.epoch + 1) as Epoch,
    previous: epochDigest(record, ports.sha256),
    members: [...record.members, admit(candidate, ports.random)],
  };
  return signEpoch(genesis, next, ports.genesisSigner);
}
