// What passes between an auditor and the node that it audits. The auditor asks for some of what the draw says, one part after the other; the node
// answers each part with openings of what it has and admissions of what it lacks, and leaves out what it could not get at in time.
//
// A part is signed for (network, round, seed, node): the answer of another node, or of another round, is none. The signature covers the Merkle root of the
// openings, so that a single one can be shown to others as that node's answer (`shown.ts`).
//
// A wrong opening counts as none: disks rot, and a node that is not sure can admit. What cannot come from an honest node (a bad signature, something that
// nobody asked for, something twice) refuses the whole part.

import { z } from 'zod';
import { toHex } from '../base/bytes.ts';
import { bytesOf, decodeCanonical, digestOf, encode, listOf, uint } from '../base/codec.ts';
import { signedBytes } from '../base/hash.ts';
import type { Digest, NetworkId, NodeId, Signature } from '../base/ids.ts';
import {
  AUDIT_PART_ASKED_MAX,
  AUDIT_PART_LENGTH_MAX,
  AUDIT_ROUND_MAX,
  MANIFEST_LENGTH_MAX,
  OPENING_HEAD_LENGTH_MAX,
  SERVICE_HEADER_LENGTH_MAX,
} from '../base/limits.ts';
import { merkleRoot } from '../base/merkle.ts';
import type { Signer, Verify } from '../base/ports.ts';
import { signAdmission, verifyAdmission } from './admission.ts';
import type { Asked } from './draw.ts';
import {
  askedSchema,
  askedTuple,
  type Content,
  type Hashes,
  type Opening,
  openingDigest,
  openingSchema,
  openingTuple,
  PORTABLE_HASHES,
  verifyOpening,
} from './opening.ts';
import { isCopy, type Place, placeBytes, placeSchema } from './place.ts';

/** Services of a storage node: one answers auditors, the other takes their receipts. */
export const AUDIT_SERVICES = { audit: 'audit', receipt: 'audit-receipt' } as const;

/** What an answer is bound to. */
export interface AuditContext {
  readonly network: NetworkId;
  readonly round: number;
  /** The round's. */
  readonly seed: Digest;
  /** Who is audited. */
  readonly node: NodeId;
}

export interface AuditRequest {
  readonly round: number;
  readonly seed: Digest;
  /** Of what the draw asks of the node; each once, at most AUDIT_PART_ASKED_MAX. */
  readonly asked: readonly Asked[];
}

export interface Admission {
  readonly place: Place;
  readonly signature: Signature;
}

export interface ResponsePart {
  readonly openings: readonly Opening[];
  readonly admissions: readonly Admission[];
  readonly signature: Signature;
}

/** What the chain says is at a place; undefined when nothing is. */
export type ContentOf = (place: Place) => Content | undefined;

// ---- Asking --------------------------------------------------------------------------------------------------

/** `asked` in parts whose answers are within the bounds of one, in order. */
export function partsOf(asked: readonly Asked[], contentOf: ContentOf): readonly (readonly Asked[])[] {
  const parts: Asked[][] = [];
  let room = 0;
  for (const each of asked) {
    const needed = answerLength(each.place, contentOf);
    if (needed > room || parts.at(-1)!.length === AUDIT_PART_ASKED_MAX) {
      parts.push([]);
      room = PART_ROOM;
    }
    parts.at(-1)!.push(each);
    room -= needed;
  }
  return parts;
}

/** Signature and heads of lists take a place's worth. */
const PART_ROOM: number = AUDIT_PART_LENGTH_MAX - OPENING_HEAD_LENGTH_MAX;

/** Bytes of a part that an opening takes, at most. */
export function answerLength(place: Place, contentOf: ContentOf): number {
  const lengthBytes = isCopy(place) ? (contentOf(place)?.lengthBytes ?? 0) : 1024;
  return OPENING_HEAD_LENGTH_MAX + Math.min(lengthBytes, MANIFEST_LENGTH_MAX);
}

// ---- Answering -----------------------------------------------------------------------------------------------

/** The node's answer. `admitted` are places that it has not got, with what the chain says is there. */
export function signResponse(
  context: AuditContext,
  openings: readonly Opening[],
  admitted: readonly { readonly place: Place; readonly root: Uint8Array }[],
  node: Signer,
  { sha256 }: Hashes = PORTABLE_HASHES,
): ResponsePart {
  const admissions = admitted.map(({ place, root }): Admission => {
    return { place, signature: signAdmission({ ...context, place, root }, node) };
  });
  const digests = openings.map((opening) => openingDigest(opening, sha256));
  const signature = node.sign(responseBytes(context, merkleRoot(digests, sha256)));
  return { openings, admissions, signature };
}

/** What a node signs of a part: the root over its openings. */
export function responseBytes({ network, round, seed, node }: AuditContext, root: Digest): Uint8Array {
  return signedBytes('audit-response', encode([network, round, seed, node, root]));
}

// ---- Judging -------------------------------------------------------------------------------------------------

/** What a part shows, each in the order of what was asked. What is in none of the lists was left out. */
export interface Judgement {
  readonly held: readonly Asked[];
  /** Opened with something else than what the chain says. */
  readonly wrong: readonly Asked[];
  readonly admitted: readonly Asked[];
}

/** What `part` shows of what was `asked` in its request; undefined when it is none of an honest node's. */
export function judgeResponse(
  context: AuditContext,
  asked: readonly Asked[],
  part: ResponsePart,
  contentOf: ContentOf,
  verify: Verify,
  hashes: Hashes = PORTABLE_HASHES,
): Judgement | undefined {
  const openings = new Map(part.openings.map((opening) => [askedKey(opening), opening]));
  const admissions = new Map(part.admissions.map((admission) => [placeKey(admission.place), admission]));
  if (openings.size !== part.openings.length || admissions.size !== part.admissions.length) return undefined;
  if (!isAnswerTo(asked, openings, admissions)) return undefined;
  const digests = part.openings.map((opening) => openingDigest(opening, hashes.sha256));
  const signed = responseBytes(context, merkleRoot(digests, hashes.sha256));
  if (!verify(context.node, signed, part.signature)) return undefined;
  if (!part.admissions.every((admission) => isAdmitted(context, admission, contentOf, verify)))
    return undefined;
  const opened = asked.filter((each) => openings.has(askedKey(each)));
  const isHeld = (each: Asked): boolean => {
    const content = contentOf(each.place);
    return content !== undefined && verifyOpening(openings.get(askedKey(each))!, content, hashes);
  };
  const held = opened.filter(isHeld);
  return {
    held,
    wrong: opened.filter((each) => !held.includes(each)),
    admitted: asked.filter(({ place }) => admissions.has(placeKey(place))),
  };
}

/** Nothing in it that was not asked for, and no place both opened and admitted. */
function isAnswerTo(
  asked: readonly Asked[],
  openings: ReadonlyMap<string, Opening>,
  admissions: ReadonlyMap<string, Admission>,
): boolean {
  const leaves = new Set(asked.map(askedKey));
  const places = new Set(asked.map(({ place }) => placeKey(place)));
  const opened = new Set([...openings.values()].map(({ place }) => placeKey(place)));
  return (
    [...openings.keys()].every((key) => leaves.has(key)) &&
    [...admissions.keys()].every((key) => places.has(key) && !opened.has(key))
  );
}

function isAdmitted(
  context: AuditContext,
  { place, signature }: Admission,
  contentOf: ContentOf,
  verify: Verify,
): boolean {
  const content = contentOf(place);
  return (
    content !== undefined && verifyAdmission({ ...context, place, root: content.root }, signature, verify)
  );
}

const placeKey = (place: Place): string => toHex(placeBytes(place));
const askedKey = ({ place, leafIndex }: Asked): string => `${placeKey(place)}/${leafIndex}`;

// ---- Form ----------------------------------------------------------------------------------------------------

const requestSchema = z
  .tuple([uint(AUDIT_ROUND_MAX), digestOf<Digest>(), listOf(askedSchema, AUDIT_PART_ASKED_MAX)])
  .transform(([round, seed, asked]): AuditRequest => ({ round, seed, asked }));

/** Travels as the header of a request. */
export function encodeRequest({ round, seed, asked }: AuditRequest): Uint8Array {
  return encode([round, seed, asked.map(askedTuple)]);
}

/** Throws INVALID_ENCODING. */
export function decodeRequest(bytes: Uint8Array): AuditRequest {
  return decodeCanonical(requestSchema, bytes, SERVICE_HEADER_LENGTH_MAX, 'audit request');
}

export const signatureSchema: z.ZodType<Signature> = bytesOf(64).transform((bytes) => bytes as Signature);

const admissionSchema = z
  .tuple([placeSchema, signatureSchema])
  .transform(([place, signature]): Admission => ({ place, signature }));

const responseSchema = z
  .tuple([
    listOf(openingSchema, AUDIT_PART_ASKED_MAX),
    listOf(admissionSchema, AUDIT_PART_ASKED_MAX),
    signatureSchema,
  ])
  .transform(([openings, admissions, signature]): ResponsePart => ({ openings, admissions, signature }));

/** Travels as the body of a reply. */
export function encodeResponse({ openings, admissions, signature }: ResponsePart): Uint8Array {
  return encode([
    openings.map(openingTuple),
    admissions.map((admission) => [placeBytes(admission.place), admission.signature]),
    signature,
  ]);
}

/** Throws INVALID_ENCODING. */
export function decodeResponse(bytes: Uint8Array): ResponsePart {
  return decodeCanonical(responseSchema, bytes, AUDIT_PART_LENGTH_MAX, 'audit response');
}
