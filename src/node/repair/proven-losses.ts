// Pieces that are lost although their holders answer: an anchor says that they failed, and this node has signed it, so it has what proves it; or their
// holder has said so itself. Only auditors of the group know, so only they repair it.
//
// The holder has a turn to get them back itself (`own-places.ts`), which moves nothing. What it then shows is not lost any more.

import { equal, toHex } from '../../base/bytes.ts';
import type { NodeId, Signature } from '../../base/ids.ts';
import { PROVEN_LOSSES_MAX } from '../../base/limits.ts';
import { proveInclusion } from '../../base/merkle.ts';
import type { Hashes } from '../../proofs/opening.ts';
import type { Place } from '../../proofs/place.ts';
import { countsOf, resultDigests } from '../../proofs/results.ts';
import type { FailedResult } from '../../shards/operations/repair-pieces.ts';
import { placeText } from '../audit/contents.ts';
import { FAILED, type GroupAudit } from '../audit/group-audit.ts';

export type LossProof =
  | { readonly kind: 'failed'; readonly group: number; readonly result: FailedResult }
  | { readonly kind: 'admitted'; readonly signature: Signature };

export interface ProvenLoss {
  readonly place: Place;
  /** Who has lost it. */
  readonly node: NodeId;
  readonly round: number;
  /** What was asked for in vain. */
  readonly leafIndex: number;
  readonly proof: LossProof;
  /** Nodes, in hex, that know of it. */
  readonly auditors: ReadonlySet<string>;
  /** When the holder is looked at again. */
  readonly dueMs: number;
  /** It was, and had it still not. */
  readonly isConfirmed: boolean;
}

/**
 * What an anchor on the chain says is lost, if this node has signed it. Nothing of a node that showed nothing at all: it is away, and has
 * time to come back.
 */
export function lossesOf(
  audit: GroupAudit,
  root: Uint8Array,
  { sha256 }: Hashes,
  dueMs: number,
): readonly ProvenLoss[] {
  const verdicts = audit.signedVerdicts(root);
  if (verdicts === undefined || !verdicts.includes(FAILED)) return [];
  const { watched, group, lines } = audit;
  const { round } = watched.round;
  const findings = audit.findings(verdicts);
  const digests = resultDigests(round, findings, sha256);
  const answering = findings.filter((each) => countsOf(each).failed < countsOf(each).asked);
  const auditors = new Set(
    watched.validators.filter((_, index) => (group.seats[index] ?? 0) > 0).map(({ node }) => toHex(node)),
  );
  const losses = new Map<string, ProvenLoss>();
  for (const [index, { node, asked }] of lines.entries()) {
    const text = placeText(asked.place);
    if (verdicts[index] !== FAILED || losses.has(text)) continue;
    if (losses.size === PROVEN_LOSSES_MAX || !answering.some((each) => equal(each.node, node))) continue;
    const signature = audit.admissionAt(index);
    const proof: LossProof =
      signature === undefined
        ? {
            kind: 'failed',
            group: group.group,
            result: { asked, index, path: proveInclusion(digests, index, sha256) },
          }
        : { kind: 'admitted', signature };
    const { place, leafIndex } = asked;
    losses.set(text, { place, node, round, leafIndex, proof, auditors, dueMs, isConfirmed: false });
  }
  return [...losses.values()];
}

/** By place. Bounded; the oldest go, as do those of rounds that nobody can refer to any more. */
export class ProvenLosses {
  readonly #byPlace = new Map<string, ProvenLoss>();

  get size(): number {
    return this.#byPlace.size;
  }

  /** One that was known already is proven anew, and keeps its time. */
  add(loss: ProvenLoss): void {
    const text = placeText(loss.place);
    const known = this.#byPlace.get(text);
    this.#byPlace.delete(text);
    if (this.#byPlace.size === PROVEN_LOSSES_MAX) this.#byPlace.delete(this.#byPlace.keys().next().value!);
    const isSame = known !== undefined && equal(known.node, loss.node);
    const { dueMs, isConfirmed } = isSame ? known : loss;
    this.#byPlace.set(text, { ...loss, dueMs, isConfirmed });
  }

  /** What is confirmed lost at a place, if `holder` is who lost it. */
  at(place: Place, holder: NodeId): ProvenLoss | undefined {
    const loss = this.#byPlace.get(placeText(place));
    return loss?.isConfirmed === true && equal(loss.node, holder) ? loss : undefined;
  }

  /** Those whose holders are to be looked at now. */
  due(nowMs: number): readonly ProvenLoss[] {
    return [...this.#byPlace.values()].filter(({ dueMs, isConfirmed }) => !isConfirmed && dueMs <= nowMs);
  }

  get confirmed(): readonly ProvenLoss[] {
    return [...this.#byPlace.values()].filter(({ isConfirmed }) => isConfirmed);
  }

  confirm(loss: ProvenLoss): void {
    this.#byPlace.set(placeText(loss.place), { ...loss, isConfirmed: true });
  }

  forget(place: Place): void {
    this.#byPlace.delete(placeText(place));
  }

  forgetBefore(round: number): void {
    for (const [text, loss] of this.#byPlace) if (loss.round < round) this.#byPlace.delete(text);
  }
}
