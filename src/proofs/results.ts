// What the auditors of a group found, as one root that goes on the chain, and the proof of a single result under it. Results stand in the order
// of the group's nodes, and of what was asked of each, so there is one list for one finding, and anybody who has the chain's state can say what must be in it.
//
// result digest = digest('audit-result', [round, node, place, leaf, verdict])            the anchor and the receipts of a round use the same
// root          = Merkle root over the result digests (`base/merkle.ts`)

import { z } from 'zod';
import { decodeCanonical, digestOf, encode, uint } from '../base/codec.ts';
import { digest, portableSha256, type Sha256 } from '../base/hash.ts';
import type { Digest, NodeId } from '../base/ids.ts';
import { AUDIT_ASKED_MAX, AUDIT_GROUP_NODES_MAX } from '../base/limits.ts';
import { merkleRoot, proveInclusion, verifyInclusion } from '../base/merkle.ts';
import type { Asked } from './draw.ts';
import { askedSchema, askedTuple } from './opening.ts';
import { type Path, pathBytes, pathLengthMax, pathSchema } from './path.ts';
import { placeBytes } from './place.ts';

/** `moved`: the place was not the node's any more when the round was judged. It counts neither for nor against. */
export const VERDICTS = ['held', 'failed', 'moved'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** What was found of one that was asked. */
export interface Finding {
  readonly asked: Asked;
  readonly verdict: Verdict;
}

/** What was found of a node of the group, in the order of the asked. */
export interface NodeFindings {
  readonly node: NodeId;
  /** What it has to hold, by the chain: the weights of all its places, in KiB. */
  readonly heldKib: number;
  readonly findings: readonly Finding[];
}

/** A node's line of an anchor. What moved is in neither count. */
export interface NodeCounts {
  readonly asked: number;
  readonly failed: number;
  readonly heldKib: number;
}

export interface AuditResult extends Finding {
  readonly round: number;
  readonly node: NodeId;
}

/** What a single result is proven under. */
export interface ResultTree {
  readonly root: Digest;
  readonly count: number;
}

export interface ResultProof {
  readonly node: NodeId;
  readonly asked: Asked;
  readonly verdict: Verdict;
  /** Its number among the results of the group. */
  readonly index: number;
  readonly path: Path;
}

/** Results of one group, at most. */
export const RESULTS_MAX: number = AUDIT_GROUP_NODES_MAX * AUDIT_ASKED_MAX;

export function resultDigest(
  { round, node, asked, verdict }: AuditResult,
  sha256: Sha256 = portableSha256,
): Digest {
  const { place, leafIndex } = asked;
  const record = [round, node, placeBytes(place), leafIndex, VERDICTS.indexOf(verdict)];
  return digest('audit-result', [encode(record)], sha256);
}

/** Digests of all results of a group, in order: what the root is over. */
export function resultDigests(
  round: number,
  nodes: readonly NodeFindings[],
  sha256: Sha256 = portableSha256,
): readonly Digest[] {
  return nodes.flatMap(({ node, findings }) =>
    findings.map((finding) => resultDigest({ round, node, ...finding }, sha256)),
  );
}

export function resultTree(digests: readonly Digest[], sha256: Sha256 = portableSha256): ResultTree {
  return { root: merkleRoot(digests, sha256), count: digests.length };
}

export function countsOf({ heldKib, findings }: NodeFindings): NodeCounts {
  const failed = findings.filter(({ verdict }) => verdict === 'failed').length;
  const held = findings.filter(({ verdict }) => verdict === 'held').length;
  return { asked: failed + held, failed, heldKib };
}

/** Proof of result number `index` of the group; undefined when there is none. */
export function proveResult(
  round: number,
  nodes: readonly NodeFindings[],
  index: number,
  sha256: Sha256 = portableSha256,
): ResultProof | undefined {
  const all = nodes.flatMap(({ node, findings }) => findings.map((finding) => ({ node, ...finding })));
  const result = all[index];
  if (result === undefined) return undefined;
  return { ...result, index, path: proveInclusion(resultDigests(round, nodes, sha256), index, sha256) };
}

/** True when the auditors of the tree found that in `round`. Never throws. */
export function verifyResult(
  { root, count }: ResultTree,
  round: number,
  { node, asked, verdict, index, path }: ResultProof,
  sha256: Sha256 = portableSha256,
): boolean {
  const record = resultDigest({ round, node, asked, verdict }, sha256);
  return verifyInclusion(root, count, index, record, path, sha256);
}

// ---- Form ----------------------------------------------------------------------------------------------------

export const resultPathSchema: z.ZodType<Path> = pathSchema(pathLengthMax(RESULTS_MAX));

export const resultProofSchema: z.ZodType<ResultProof> = z
  .tuple([
    digestOf<NodeId>(),
    askedSchema,
    uint(VERDICTS.length - 1),
    uint(RESULTS_MAX - 1),
    resultPathSchema,
  ])
  .transform(
    ([node, asked, verdict, index, path]): ResultProof => ({
      node,
      asked,
      verdict: VERDICTS[verdict]!,
      index,
      path,
    }),
  );

export const resultProofTuple = ({ node, asked, verdict, index, path }: ResultProof): readonly unknown[] => [
  node,
  askedTuple(asked),
  VERDICTS.indexOf(verdict),
  index,
  pathBytes(path),
];

/** Twenty siblings and the result: below, with room. */
const RESULT_PROOF_LENGTH_MAX = 1024;

export function encodeResultProof(proof: ResultProof): Uint8Array {
  return encode(resultProofTuple(proof));
}

/** Throws INVALID_ENCODING. */
export function decodeResultProof(bytes: Uint8Array): ResultProof {
  return decodeCanonical(resultProofSchema, bytes, RESULT_PROOF_LENGTH_MAX, 'result proof');
}
