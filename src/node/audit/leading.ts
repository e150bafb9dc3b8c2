// The second half of a round: the results of a group come onto the chain. One auditor leads, the one with the next seat when it does not get there in
// time. It puts its own view before the others, learns from them what it missed, shows them what they missed, and hands in what more than two
// thirds of the seats have signed.

import { equal, short, toHex } from '../../base/bytes.ts';
import { toStoreError } from '../../base/errors.ts';
import { digest } from '../../base/hash.ts';
import type { NodeId } from '../../base/ids.ts';
import { AUDIT_EXCHANGES_MAX, AUDIT_TIMEOUT_MS } from '../../base/limits.ts';
import type { Network } from '../../base/ports.ts';
import {
  type AnchorSignature,
  type AnchorText,
  isAnchorSigned,
  isEnough,
  signAnchor,
} from '../../proofs/anchor.ts';
import type { Hashes } from '../../proofs/opening.ts';
import type { AnchorAudit } from '../../shards/operations/anchor-audit.ts';
import type { NodeLogger } from '../storage-node.ts';
import { contentsOf } from './contents.ts';
import type { GroupAudit, VerdictList } from './group-audit.ts';
import {
  decodeReviewReply,
  encodeReview,
  REVIEW_LENGTH_MAX,
  REVIEW_SERVICE,
  type ReviewReply,
} from './review-messages.ts';
import { type ReviewingPorts, takeShown } from './reviewing.ts';

export interface LeadingPorts extends ReviewingPorts {
  readonly network: Pick<Network, 'call'>;
  readonly logger: NodeLogger;
}

/** Auditors of a group in the order in which they lead, drawn from the round's seed: keys of all who have seats. */
export function leadersOf({ watched, group }: GroupAudit, { sha256 }: Hashes): readonly NodeId[] {
  const auditors = watched.validators.filter((_, index) => (group.seats[index] ?? 0) > 0);
  const draw = digest('audit-seats', [watched.round.seed, new Uint8Array([1])], sha256);
  const first = (draw[0]! * 256 + draw[1]! + group.group) % auditors.length;
  return [...auditors.slice(first), ...auditors.slice(0, first)].map(({ node }) => node);
}

/** Where rounds are short, so long is waited for a review: a part of the round. */
const REVIEWS_PER_ROUND = 4;

interface Reviewer {
  readonly auditor: number;
  readonly node: NodeId;
  /** What it wants to see. */
  needs: readonly number[];
  isSilent: boolean;
}

/** The anchor, signed by enough; undefined when they are not to be had now. */
export async function lead(
  ports: LeadingPorts,
  audit: GroupAudit,
  signal: AbortSignal,
): Promise<AnchorAudit | undefined> {
  const { watched, group } = audit;
  const auditors = { keys: watched.validators.map(({ node }) => node), seats: group.seats };
  const self = auditors.keys.findIndex((node) => equal(node, ports.signer.publicKey));
  const reviewers = auditors.keys.flatMap((node, auditor): Reviewer[] =>
    auditor !== self && (group.seats[auditor] ?? 0) > 0
      ? [{ auditor, node, needs: [], isSilent: false }]
      : [],
  );
  for (let exchange = 0; exchange < AUDIT_EXCHANGES_MAX; exchange++) {
    signal.throwIfAborted();
    const verdicts = audit.verdicts(await contentsOf(ports.chain, audit.unseenPlaces()));
    const proposal = { verdicts, text: audit.anchorText(verdicts, ports.hashes) };
    const isOwn = audit.mayFail(verdicts);
    const signatures = isOwn ? [signOwn(ports, audit, proposal, self)] : [];
    const isDone = (): boolean => {
      const signed = signatures.reduce((sum, { auditor }) => sum + group.seats[auditor]!, 0);
      return isOwn && isEnough(signed, auditors);
    };
    if (!isDone()) await collect(ports, audit, proposal, reviewers, { signatures, isDone }, signal);
    if (isDone()) return actionOf(proposal.text, signatures);
  }
  return undefined;
}

/** What a leader puts before the others. */
interface Proposal {
  readonly verdicts: VerdictList;
  readonly text: AnchorText;
}

function signOwn(
  { signer }: LeadingPorts,
  audit: GroupAudit,
  { verdicts, text }: Proposal,
  auditor: number,
): AnchorSignature {
  audit.noteSigned(text, verdicts);
  return { auditor, signature: signAnchor(text, signer) };
}

/** Asks all who are not silent at once, and waits no longer than until there is enough: who says nothing holds nobody up. */
async function collect(
  ports: LeadingPorts,
  audit: GroupAudit,
  proposal: Proposal,
  reviewers: readonly Reviewer[],
  { signatures, isDone }: { readonly signatures: AnchorSignature[]; readonly isDone: () => boolean },
  signal: AbortSignal,
): Promise<void> {
  const rest = new AbortController();
  const within = AbortSignal.any([signal, rest.signal]);
  const work = async (reviewer: Reviewer): Promise<void> => {
    try {
      const signature = await ask(ports, audit, proposal, reviewer, within);
      if (signature !== undefined && !isDone()) signatures.push(signature);
    } catch (error) {
      signal.throwIfAborted();
      if (!rest.signal.aborted) throw error;
    }
    if (isDone()) rest.abort();
  };
  await Promise.all(reviewers.filter(({ isSilent }) => !isSilent).map(work));
}

/** A reviewer's signature, if it agrees; what it says otherwise is taken in for the next exchange. */
async function ask(
  ports: LeadingPorts,
  audit: GroupAudit,
  { verdicts, text }: Proposal,
  reviewer: Reviewer,
  signal: AbortSignal,
): Promise<AnchorSignature | undefined> {
  let reply: ReviewReply;
  try {
    reply = await send(ports, audit, verdicts, reviewer, signal);
  } catch (error) {
    signal.throwIfAborted();
    reviewer.isSilent = true;
    const { code, message } = toStoreError(error, 'INTERNAL', 'review');
    ports.logger.debug({ node: short(reviewer.node), code, reason: message }, 'an auditor does not review');
    return undefined;
  }
  const { auditor, node } = reviewer;
  reviewer.needs = reply.needs;
  if (reply.shown.length > 0) await takeShown(ports, audit, reply.shown);
  const { signature } = reply;
  if (signature === null || !isAnchorSigned(text, node, signature, ports.verify)) return undefined;
  return { auditor, signature };
}

async function send(
  { network, hashes }: LeadingPorts,
  audit: GroupAudit,
  verdicts: VerdictList,
  { node, needs }: Reviewer,
  signal: AbortSignal,
): Promise<ReviewReply> {
  const shown = audit.show(needs, hashes);
  const { rules } = audit.watched;
  const { round } = audit.watched.round;
  const body = encodeReview({ round, group: audit.group.group, verdicts, shown });
  const timeoutMs = Math.min(AUDIT_TIMEOUT_MS, Math.ceil(rules.roundMs / REVIEWS_PER_ROUND));
  const options = { signal, timeoutMs, maxBodyLength: REVIEW_LENGTH_MAX };
  const request = { header: new Uint8Array(0), body: [body] };
  return decodeReviewReply((await network.call(node, REVIEW_SERVICE, request, options)).body);
}

function actionOf(text: AnchorText, signatures: readonly AnchorSignature[]): AnchorAudit {
  const { network: _network, ...body } = text;
  return { ...body, signatures: signatures.toSorted((a, b) => a.auditor - b.auditor) };
}

/** For logs. */
export function summaryOf({ counts }: AnchorAudit, audit: GroupAudit): Readonly<Record<string, unknown>> {
  const sum = (pick: (each: AnchorAudit['counts'][number]) => number): number =>
    counts.reduce((total, each) => total + pick(each), 0);
  const failing = audit.group.nodes.filter((_, index) => counts[index]!.failed > 0);
  return {
    round: audit.watched.round.round,
    group: audit.group.group,
    asked: sum(({ asked }) => asked),
    failed: sum(({ failed }) => failed),
    failing: failing.map((node) => toHex(node.subarray(0, 4))),
  };
}
