// Anybody doubts that a node showed what the auditors of its group say it showed, and puts a bond on it. At the object's home it is looked up what there was to
// show; at the system's home the result is checked and the dispute opened.

import { z } from 'zod';
import { bigUint, digestOf, uint } from '../../base/codec.ts';
import type { Digest, OwnerId } from '../../base/ids.ts';
import {
  AUDIT_GROUPS_MAX,
  AUDIT_ROUND_MAX,
  DISPUTED_COPY_LENGTH_MAX,
  DISPUTES_MAX,
  MANIFEST_LENGTH_MAX,
} from '../../base/limits.ts';
import type { Content } from '../../proofs/opening.ts';
import { isCopy, type Place } from '../../proofs/place.ts';
import { type ResultProof, resultProofSchema, resultProofTuple, verifyResult } from '../../proofs/results.ts';
import { amountIn, amountOf, NATIVE } from '../amounts.ts';
import { anchorKey, anchorOf } from '../anchors.ts';
import { auditRoundsKey, auditRoundsOf } from '../audit-rounds.ts';
import {
  type Dispute,
  disputesKey,
  disputesOf,
  isDisputable,
  isSameResult,
  putDisputes,
} from '../disputes.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import { presentObject } from '../object-access.ts';
import { objectKey, type ObjectRecord, segmentsOf } from '../object-record.ts';
import { pieceLengthOf, segmentsPerRecord } from '../object-shape.ts';
import type { Delivery, ExecuteContext, RefusalCode } from '../operation.ts';
import { parametersKey, parametersOf } from '../parameters.ts';
import { objectHome } from '../state-key.ts';
import { SYSTEM } from '../system-key.ts';
import type { Overlay } from '../view.ts';

export interface DisputeResult {
  readonly round: number;
  readonly group: number;
  /** That the node held it. */
  readonly result: ResultProof;
  /** Native tokens; at least what the parameters ask for. */
  readonly bond: bigint;
}

const heldSchema = resultProofSchema.refine(
  ({ verdict }) => verdict === 'held',
  'not a result of something held',
);
const roundSchema = uint(AUDIT_ROUND_MAX);
const groupSchema = uint(AUDIT_GROUPS_MAX - 1);

export const disputeResult: HomeOperation<DisputeResult> = homeOperation({
  kind: 'dispute-result',
  tag: 57,
  schema: z
    .tuple([roundSchema, groupSchema, heldSchema, bigUint])
    .transform(([round, group, result, bond]): DisputeResult => ({ round, group, result, bond })),
  tuple: ({ round, group, result, bond }) => [round, group, resultProofTuple(result), bond],
  home: ({ result }) => objectHome(result.asked.place.object),
  value: ({ bond }) => amountOf(NATIVE, bond),
  touchesAtSender: () => [parametersKey()],
  check: ({ state }, { bond }) =>
    bond < parametersOf(state).audit.disputeBond ? 'invalid-argument' : undefined,
  touches: (_from, { result }) => [objectKey(result.asked.place.object)],
  execute: ({ state, message, send }, { from, action }) => {
    const { round, group, result } = action;
    const { place } = result.asked;
    const object = presentObject(state, place.object);
    if (typeof object === 'string') return object;
    const content = contentAt(state, object, place);
    if (typeof content === 'string') return content;
    const { registeredAtHeight } = object;
    const payload: OpenDispute = { from, round, group, result, content, registeredAtHeight };
    send({ ...message, to: SYSTEM, kind: 'open-dispute', payload });
    return undefined;
  },
});

/** What the object's records say is at the place. */
function contentAt(state: Overlay, object: ObjectRecord, place: Place): Content | RefusalCode {
  const { manifest, shape } = object;
  if (isCopy(place)) {
    if (place.pieceIndex >= manifest.holders.length) return 'invalid-argument';
    const isShort = manifest.lengthBytes <= DISPUTED_COPY_LENGTH_MAX;
    return isShort ? { root: manifest.digest, lengthBytes: manifest.lengthBytes } : 'limit-exceeded';
  }
  const size = segmentsPerRecord(shape.code);
  if (place.segmentIndex >= object.registered) return 'invalid-argument';
  const segments = segmentsOf(state, place.object, Math.floor(place.segmentIndex / size));
  const root = segments[place.segmentIndex % size]?.roots[place.pieceIndex];
  if (root === undefined) return 'invalid-argument';
  return { root, lengthBytes: pieceLengthOf(shape, place.segmentIndex) };
}

// ---- At the system's home ------------------------------------------------------------------------------------

export interface OpenDispute {
  readonly from: OwnerId;
  readonly round: number;
  readonly group: number;
  readonly result: ResultProof;
  readonly content: Content;
  /** Of the object: one that came later is not what the round asked for, even under the same id. */
  readonly registeredAtHeight: number;
}

export const openDisputeDelivery: Delivery<OpenDispute> = {
  kind: 'open-dispute',
  tag: 58,
  schema: z
    .tuple([
      digestOf<OwnerId>(),
      roundSchema,
      groupSchema,
      heldSchema,
      z.tuple([digestOf<Digest>(), uint(MANIFEST_LENGTH_MAX)]),
      uint(),
    ])
    .transform(
      ([from, round, group, result, [root, lengthBytes], registeredAtHeight]): OpenDispute => ({
        from,
        round,
        group,
        result,
        content: { root, lengthBytes },
        registeredAtHeight,
      }),
    ),
  tuple: ({ from, round, group, result, content, registeredAtHeight }) => [
    from,
    round,
    group,
    resultProofTuple(result),
    [content.root, content.lengthBytes],
    registeredAtHeight,
  ],
  touches: (_message, { round, group }) => [
    parametersKey(),
    auditRoundsKey(),
    disputesKey(),
    anchorKey(round, group),
  ],
  execute: ({ state, block, message }, dispute) => {
    const refusal = disputeProblem({ state, block }, dispute);
    if (refusal !== undefined) return refusal;
    const { from, round, group, result, content } = dispute;
    const { open, owed } = disputesOf(state);
    const { node, asked, index } = result;
    const bond = amountIn(message.value, NATIVE);
    const added: Dispute = { round, group, index, node, asked, content, disputer: from, bond };
    putDisputes(state, { open: [...open, added], owed });
    return undefined;
  },
};

function disputeProblem(
  { state, block }: Pick<ExecuteContext, 'state' | 'block'>,
  { round: number, group, result, registeredAtHeight }: OpenDispute,
): RefusalCode | undefined {
  const rounds = auditRoundsOf(state);
  const round = rounds.find((each) => each.round === number);
  const anchor = anchorOf(state, number, group);
  if (round === undefined || anchor === undefined) return 'too-late';
  if (!isDisputable(number, rounds.at(-1)!.round, parametersOf(state).audit.roundsKept)) return 'too-late';
  if (registeredAtHeight >= round.height) return 'condition-failed';
  if (!verifyResult(anchor, number, result, block.sha256)) return 'invalid-evidence';
  const { open, owed } = disputesOf(state);
  const name = { round: number, group, index: result.index };
  if (open.some((other) => isSameResult(other, name))) return 'already-exists';
  return open.length + owed.length < DISPUTES_MAX ? undefined : 'limit-exceeded';
}
