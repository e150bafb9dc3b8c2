// Somebody doubts on the chain that a node showed what an anchor says it showed. Whoever signed the anchor pays if nobody shows the opening in time, so
// auditors keep what they saw for as long as it can be asked for, and hand it in.

import { equal } from '../../base/bytes.ts';
import { AUDIT_PARTS_OF_ROUND } from '../../base/limits.ts';
import type { Signer } from '../../base/ports.ts';
import { comparePlaces } from '../../proofs/place.ts';
import type { Hashes } from '../../proofs/opening.ts';
import { type Dispute, disputesOf, isSameResult } from '../../shards/disputes.ts';
import type { AnswerDispute } from '../../shards/operations/answer-dispute.ts';
import type { Action } from '../../shards/transaction.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { type RecordSource, settle } from '../chain/settle.ts';
import type { NodeLogger } from '../storage-node.ts';
import type { GroupAudit } from './group-audit.ts';
import { leadersOf } from './leading.ts';

export interface DefendingPorts {
  readonly chain: RecordSource;
  readonly hashes: Hashes;
  readonly signer: Pick<Signer, 'publicKey'>;
  readonly submit: (action: Action) => Promise<unknown>;
  readonly logger: Pick<NodeLogger, 'info'>;
}

/** Answers what is disputed and was seen in one of `groups`. Those who saw it take turns, as in leading: `until` waits for a part of the round. */
export async function defend(
  { chain, hashes, signer, submit, logger }: DefendingPorts,
  groups: readonly GroupAudit[],
  until: (part: number) => Promise<void>,
): Promise<void> {
  const answers = (await openDisputes(chain)).flatMap((dispute) => {
    const found = answerTo(dispute, groups, hashes);
    if (found === undefined) return [];
    const turn = leadersOf(found.audit, hashes).findIndex((node) => equal(node, signer.publicKey));
    return [{ dispute, answer: found.answer, part: turn % AUDIT_PARTS_OF_ROUND }];
  });
  for (const { dispute, answer, part } of answers.toSorted((a, b) => a.part - b.part)) {
    await until(part);
    const open = await openDisputes(chain);
    if (!open.some((each) => isSameResult(each, dispute))) continue;
    await submit({ kind: 'answer-dispute', parameters: answer });
    logger.info({ round: answer.round, group: answer.group }, 'showed what somebody disputes');
  }
}

/** What is disputed and not answered. */
export async function openDisputes(chain: RecordSource): Promise<readonly Dispute[]> {
  const { open } = await settle(chain, new LoadedState(), (loaded) => disputesOf(new Overlay(loaded)));
  return open;
}

/** The opening that ends the dispute, and the audit in which it was seen; undefined where none of `groups` has it. */
export function answerTo(
  { round, group, index, asked }: Dispute,
  groups: readonly GroupAudit[],
  hashes: Hashes,
): { readonly audit: GroupAudit; readonly answer: AnswerDispute } | undefined {
  const audit = groups.find((each) => each.watched.round.round === round && each.group.group === group);
  const line = audit?.lines[index];
  if (audit === undefined || line === undefined) return undefined;
  // The number of a result is its position; that it is of this leaf, the chain has checked.
  if (comparePlaces(line.asked.place, asked.place) !== 0) return undefined;
  const [shown] = audit.show([index], hashes);
  return shown === undefined ? undefined : { audit, answer: { round, group, index, shown: shown.shown } };
}
