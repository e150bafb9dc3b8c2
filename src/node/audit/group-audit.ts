// What an auditor knows of one group in one round: which leaves it has seen, who showed them, and what it makes of the rest. The order of results
// is everybody's: nodes of the group in its order, of each what the draw asks in its order. A position is a number in that list.
//
// Invariants
//   It lets nobody be said to have failed whom it has not asked itself, nor before it has asked for the last time. So who leads too early gets no
//   failure signed, and an auditor never signs a failure of what it gives a receipt for later.
//   Of copies that nobody can dispute, as they are too long for a transaction, it keeps what there is room for; all else that it saw it can show.

import { assert } from '../../base/assert.ts';
import { equal, toHex } from '../../base/bytes.ts';
import type { NetworkId, NodeId, Signature } from '../../base/ids.ts';
import type { AnchorText } from '../../proofs/anchor.ts';
import {
  AUDIT_EXCHANGES_MAX,
  AUDIT_LEADERS_MAX,
  AUDIT_PART_LENGTH_MAX,
  AUDIT_SHOWN_MAX,
  DISPUTED_COPY_LENGTH_MAX,
  OPENING_HEAD_LENGTH_MAX,
} from '../../base/limits.ts';
import { type Asked, compareAsked } from '../../proofs/draw.ts';
import type { Hashes } from '../../proofs/opening.ts';
import type { AuditContext, Judgement, ResponsePart } from '../../proofs/response.ts';
import {
  countsOf,
  type NodeFindings,
  resultDigests,
  resultTree,
  VERDICTS,
  type Verdict,
} from '../../proofs/results.ts';
import { type ShownOpening, showSigned, type SignedOpening, signedOpenings } from '../../proofs/shown.ts';
import type { AuditGroup } from '../../shards/audit-rounds.ts';
import { type Contents, placeText } from './contents.ts';
import type { Drawn } from './holdings-reader.ts';
import type { ShownAt } from './review-messages.ts';
import type { WatchedRound } from './round-watcher.ts';

/** By position: an index in VERDICTS. */
export type VerdictList = Uint8Array;

export const HELD: number = VERDICTS.indexOf('held');
export const FAILED: number = VERDICTS.indexOf('failed');
export const MOVED: number = VERDICTS.indexOf('moved');

/** Leaders differ now and then; few of them sign different lists before one comes onto the chain. */
const SIGNED_MAX = 8;
/** Some are lost on their way, and sent again. */
const REVIEWS_PER_TURN = 2 * AUDIT_EXCHANGES_MAX;

/** Where an opening can be taken from when somebody wants to see it; 'unkept' was verified, and there is no room for it. */
type Seen = SignedOpening | ShownOpening | 'unkept';

/** Bytes that are left for long copies, of all groups together. */
export interface CopyRoom {
  left: number;
}

interface Line {
  readonly node: NodeId;
  readonly asked: Asked;
}

export class GroupAudit {
  readonly watched: WatchedRound;
  readonly group: AuditGroup;
  readonly lines: readonly Line[];
  readonly #network: NetworkId;
  readonly #seen: (Seen | undefined)[];
  /** By position, the signature under which its node says that it has not got it: it need not be asked again. */
  readonly #admitted = new Map<number, Signature>();
  /** What this auditor has signed, by the root that it amounts to. */
  readonly #signed = new Map<string, VerdictList>();
  /** Position of the first that is asked of a node, by its id in hex. */
  readonly #starts: ReadonlyMap<string, number>;
  /** Who was asked, by id in hex. */
  readonly #tried = new Set<string>();
  #isAskingOver = false;
  /** Reviews that each of the other auditors may still ask for, by id in hex. */
  readonly #reviewsLeft: Map<string, number>;
  readonly #room: CopyRoom;
  #roomTaken = 0;

  constructor(network: NetworkId, watched: WatchedRound, group: AuditGroup, room: CopyRoom) {
    this.#network = network;
    this.#room = room;
    const auditors = watched.validators.filter((_, index) => (group.seats[index] ?? 0) > 0);
    const turns = Math.ceil(AUDIT_LEADERS_MAX / auditors.length);
    this.#reviewsLeft = new Map(auditors.map(({ node }) => [toHex(node), turns * REVIEWS_PER_TURN]));
    this.watched = watched;
    this.group = group;
    this.lines = group.nodes.flatMap((node) =>
      drawnOf(watched, node).asked.map((asked): Line => ({ node, asked })),
    );
    this.#seen = this.lines.map(() => undefined);
    const starts = new Map<string, number>();
    let start = 0;
    for (const node of group.nodes) {
      starts.set(toHex(node), start);
      start += drawnOf(watched, node).asked.length;
    }
    this.#starts = starts;
  }

  /** Nobody takes part in the round any more. What can be disputed is kept; others may have the room of the rest. */
  close(): void {
    for (const [position, seen] of this.#seen.entries()) {
      if (seen !== undefined && seen !== 'unkept' && isLong(seen)) this.#seen[position] = 'unkept';
    }
    this.#room.left += this.#roomTaken;
    this.#roomTaken = 0;
  }

  isAuditor(node: NodeId): boolean {
    return this.#reviewsLeft.has(toHex(node));
  }

  /** Whether a review by `from` is to be answered: it has a seat, and has not asked for more than leading in all its turns takes. */
  takeReview(from: NodeId): boolean {
    const left = this.#reviewsLeft.get(toHex(from)) ?? 0;
    if (left > 0) this.#reviewsLeft.set(toHex(from), left - 1);
    return left > 0;
  }

  // ---- Asking ------------------------------------------------------------------------------------------------

  /** A request is on its way to the node. */
  noteTried(node: NodeId): void {
    this.#tried.add(toHex(node));
  }

  /** Nobody is asked any more, and no receipt is given. */
  endAsking(): void {
    this.#isAskingOver = true;
  }

  /** Whether this auditor may say who has failed by these verdicts. */
  mayFail(verdicts: VerdictList): boolean {
    return this.lines.every(
      ({ node }, position) =>
        verdicts[position] !== FAILED || (this.#isAskingOver && this.#tried.has(toHex(node))),
    );
  }

  /** What an answer of `node` is bound to. */
  context(node: NodeId): AuditContext {
    const { round, seed } = this.watched.round;
    return { network: this.#network, round, seed, node };
  }

  /** What of the asked `node` has neither shown nor admitted not to have. */
  openOf(node: NodeId): readonly Asked[] {
    const start = this.#starts.get(toHex(node))!;
    return drawnOf(this.watched, node).asked.filter((_, at) => {
      return this.#seen[start + at] === undefined && !this.#admitted.has(start + at);
    });
  }

  heldOf(node: NodeId): readonly Asked[] {
    const start = this.#starts.get(toHex(node))!;
    return drawnOf(this.watched, node).asked.filter((_, at) => this.#seen[start + at] !== undefined);
  }

  isSeen(position: number): boolean {
    return this.#seen[position] !== undefined;
  }

  /** `judgement` is of this part. */
  noteAnswer(node: NodeId, part: ResponsePart, { held, admitted }: Judgement, hashes: Hashes): void {
    const signed = signedOpenings(part, hashes);
    for (const each of signed) {
      const { opening } = each;
      if (held.some((asked) => compareAsked(asked, opening) === 0)) {
        this.#noteSeen(this.#positionOf(node, opening), each);
      }
    }
    const signatures = new Map(part.admissions.map(({ place, signature }) => [placeText(place), signature]));
    for (const asked of admitted) {
      const position = this.#positionOf(node, asked);
      this.#admitted.set(position, signatures.get(placeText(asked.place))!);
    }
  }

  /** The node's own word that it has not got what stands at the position. */
  admissionAt(position: number): Signature | undefined {
    return this.#admitted.get(position);
  }

  /** This auditor signs the anchor that these verdicts amount to. */
  noteSigned({ root }: AnchorText, verdicts: VerdictList): void {
    if (this.#signed.size === SIGNED_MAX) this.#signed.delete(this.#signed.keys().next().value!);
    this.#signed.set(toHex(root), verdicts.slice());
  }

  /** The verdicts under a root that this auditor has signed. */
  signedVerdicts(root: Uint8Array): VerdictList | undefined {
    return this.#signed.get(toHex(root));
  }

  /** Verified already. */
  noteShown(position: number, shown: ShownOpening): void {
    this.#noteSeen(position, shown);
  }

  #noteSeen(position: number, seen: SignedOpening | ShownOpening): void {
    if (this.#seen[position] !== undefined) return;
    const length = isLong(seen) ? seen.opening.bytes.length : 0;
    const isKept = length <= this.#room.left || length === 0;
    this.#seen[position] = isKept ? seen : 'unkept';
    if (!isKept) return;
    this.#room.left -= length;
    this.#roomTaken += length;
  }

  /** The openings at those of `positions` where there is one to show: each once, and no more of them than fit a message. */
  show(positions: readonly number[], { sha256 }: Hashes): readonly ShownAt[] {
    const shown: ShownAt[] = [];
    let room = AUDIT_PART_LENGTH_MAX;
    for (const position of new Set(positions)) {
      const seen = this.#seen[position];
      if (seen === undefined || seen === 'unkept') continue;
      const length = seen.opening.bytes.length + OPENING_HEAD_LENGTH_MAX;
      if (shown.length === AUDIT_SHOWN_MAX) break;
      if (length > room) continue;
      room -= length;
      shown.push({ position, shown: 'path' in seen ? seen : showSigned(seen, sha256) });
    }
    return shown;
  }

  /** Places whose holder must be looked up before `verdicts`. */
  unseenPlaces(): readonly Asked['place'][] {
    return this.lines.flatMap(({ asked }, position) => (this.isSeen(position) ? [] : [asked.place]));
  }

  /** As far as this auditor knows. `contents` are those of `unseenPlaces`, by the chain as it is now. */
  verdicts(contents: Contents): VerdictList {
    return Uint8Array.from(this.lines, ({ node, asked }, position) => {
      if (this.isSeen(position)) return HELD;
      const content = contents.at(asked.place);
      return content !== undefined && equal(content.holder, node) ? FAILED : MOVED;
    });
  }

  /** The text of the anchor that these verdicts amount to. */
  anchorText(verdicts: VerdictList, { sha256 }: Hashes): AnchorText {
    const findings = this.findings(verdicts);
    const { round } = this.watched.round;
    const tree = resultTree(resultDigests(round, findings, sha256), sha256);
    const counts = findings.map(countsOf);
    return { ...tree, network: this.#network, round, group: this.group.group, counts };
  }

  /** Of what is asked of the node: lists of asked are in order. */
  #positionOf(node: NodeId, asked: Asked): number {
    const { asked: all } = drawnOf(this.watched, node);
    let from = 0;
    let to = all.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (compareAsked(all[middle]!, asked) < 0) from = middle + 1;
      else to = middle;
    }
    assert(from < all.length && compareAsked(all[from]!, asked) === 0, 'what is answered was asked');
    return this.#starts.get(toHex(node))! + from;
  }

  findings(verdicts: VerdictList): readonly NodeFindings[] {
    assert(verdicts.length === this.lines.length, 'there is a verdict for each that was asked');
    let position = 0;
    return this.group.nodes.map((node): NodeFindings => {
      const { asked, classes } = drawnOf(this.watched, node);
      const heldKib = classes.reduce((sum, { weight }) => sum + weight, 0);
      const findings = asked.map((each) => {
        const verdict: Verdict = VERDICTS[verdicts[position++]!]!;
        return { asked: each, verdict };
      });
      return { node, heldKib, findings };
    });
  }
}

function isLong({ opening }: SignedOpening | ShownOpening): boolean {
  return opening.bytes.length > DISPUTED_COPY_LENGTH_MAX;
}

function drawnOf(watched: WatchedRound, node: NodeId): Drawn {
  const drawn = watched.drawn.get(toHex(node));
  assert(drawn !== undefined, 'what the nodes of a group are asked is drawn');
  return drawn;
}
