// An auditor that is asked to sign what the leader of its group found: it signs what agrees with what it has seen itself, and nothing else. What it
// has seen and the leader has not, it shows; what it has not seen, it wants to be shown. That somebody has failed it signs only of whom it has asked itself,
// after it has asked for the last time.

import { short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId, Signature } from '../../base/ids.ts';
import { AUDIT_SHOWN_MAX } from '../../base/limits.ts';
import type { Signer, Verify } from '../../base/ports.ts';
import { signAnchor } from '../../proofs/anchor.ts';
import type { Hashes } from '../../proofs/opening.ts';
import { comparePlaces } from '../../proofs/place.ts';
import { verifyShown } from '../../proofs/shown.ts';
import type { RecordSource } from '../chain/settle.ts';
import { contentsOf } from './contents.ts';
import { type GroupAudit, HELD, MOVED, type VerdictList } from './group-audit.ts';
import type { Review, ReviewReply, ShownAt } from './review-messages.ts';

export interface ReviewingPorts {
  readonly signer: Signer;
  readonly verify: Verify;
  readonly chain: RecordSource;
  readonly hashes: Hashes;
}

/** Throws UNAUTHORIZED (no auditor of the group, or one that asks without end), INVALID_ARGUMENT (not as many verdicts as were asked, or none that there is). */
export async function review(
  ports: ReviewingPorts,
  audit: GroupAudit,
  from: NodeId,
  { verdicts, shown }: Review,
): Promise<ReviewReply> {
  if (!audit.takeReview(from)) {
    throw new StoreError(
      'UNAUTHORIZED',
      `node ${short(from)} has no seat in this group, or has asked enough`,
    );
  }
  if (verdicts.length !== audit.lines.length || verdicts.some((each) => each > MOVED)) {
    throw new StoreError(
      'INVALID_ARGUMENT',
      `a review of ${verdicts.length} of ${audit.lines.length} results`,
    );
  }
  await takeShown(ports, audit, shown);
  const differences = await differencesOf(ports, audit, verdicts);
  const { needs, unseen, elsewhere } = differences;
  const agrees = needs.length + unseen.length + elsewhere.length === 0 && audit.mayFail(verdicts);
  return {
    signature: agrees ? sign(ports, audit, verdicts) : null,
    needs: needs.slice(0, AUDIT_SHOWN_MAX),
    shown: audit.show(unseen, ports.hashes),
    elsewhere: elsewhere.slice(0, AUDIT_SHOWN_MAX),
  };
}

function sign({ signer, hashes }: ReviewingPorts, audit: GroupAudit, verdicts: VerdictList): Signature {
  const text = audit.anchorText(verdicts, hashes);
  audit.noteSigned(text, verdicts);
  return signAnchor(text, signer);
}

/** Takes in what is shown and holds; the rest is left aside. */
export async function takeShown(
  { chain, verify, hashes }: Pick<ReviewingPorts, 'chain' | 'verify' | 'hashes'>,
  audit: GroupAudit,
  shown: readonly ShownAt[],
): Promise<void> {
  const fresh = shown.filter(({ position }) => position < audit.lines.length && !audit.isSeen(position));
  const contents = await contentsOf(
    chain,
    fresh.map(({ position }) => audit.lines[position]!.asked.place),
  );
  for (const { position, shown: each } of fresh) {
    const { node, asked } = audit.lines[position]!;
    const content = contents.at(asked.place);
    const isAsked =
      each.opening.leafIndex === asked.leafIndex && comparePlaces(each.opening.place, asked.place) === 0;
    if (!isAsked || content === undefined) continue;
    if (verifyShown(audit.context(node), each, content, verify, hashes)) audit.noteShown(position, each);
  }
}

interface Differences {
  /** Said to be held, and not seen here. */
  readonly needs: readonly number[];
  /** Seen here, and said not to be held. */
  readonly unseen: readonly number[];
  /** Said to have failed or moved, where the chain says the other. */
  readonly elsewhere: readonly number[];
}

async function differencesOf(
  { chain }: Pick<ReviewingPorts, 'chain'>,
  audit: GroupAudit,
  verdicts: VerdictList,
): Promise<Differences> {
  const contents = await contentsOf(chain, audit.unseenPlaces());
  const own = audit.verdicts(contents);
  const positions = [...own.keys()];
  return {
    needs: positions.filter((at) => verdicts[at] === HELD && own[at] !== HELD),
    unseen: positions.filter((at) => verdicts[at] !== HELD && own[at] === HELD),
    elsewhere: positions.filter(
      (at) => verdicts[at] !== own[at] && verdicts[at] !== HELD && own[at] !== HELD,
    ),
  };
}
