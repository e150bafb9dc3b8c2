// What an auditor knows of one group in one round: which leaves it has seen, who showed them, and what it makes of the rest. The order of results
// is everybody's: nodes of the group in its order, of each what the draw asks in its order. A position is a number in that list.

import { assert } from '../../base/assert.ts';
import { equal, toHex } from '../../base/bytes.ts';
import type { NetworkId, NodeId, Signature } from '../../base/ids.ts';
import type { AnchorText } from '../../proofs/anchor.ts';
import type { Asked } from '../../proofs/draw.ts';
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
import { type ShownOpening, showOpening } from '../../proofs/shown.ts';
import type { AuditGroup } from '../../shards/audit-rounds.ts';
import { type Contents, placeText } from './contents.ts';
import type { Drawn } from './holdings-reader.ts';
import type { WatchedRound } from './round-watcher.ts';

/** By position: an index in VERDICTS. */
export type VerdictList = Uint8Array;

export const HELD: number = VERDICTS.indexOf('held');
export const FAILED: number = VERDICTS.indexOf('failed');
export const MOVED: number = VERDICTS.indexOf('moved');

/** Leaders differ now and then; few of them sign different lists before one comes onto the chain. */
const SIGNED_MAX = 8;

/** Where an opening can be taken from when somebody wants to see it. */
type Seen = { readonly part: ResponsePart; readonly index: number } | ShownOpening;

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
  /** Position by node and what is asked. */
  readonly #positions: ReadonlyMap<string, number>;

  constructor(network: NetworkId, watched: WatchedRound, group: AuditGroup) {
    this.#network = network;
    this.watched = watched;
    this.group = group;
    this.lines = group.nodes.flatMap((node) =>
      drawnOf(watched, node).asked.map((asked): Line => ({ node, asked })),
    );
    this.#seen = this.lines.map(() => undefined);
    this.#positions = new Map(this.lines.map((line, position) => [lineText(line), position]));
  }

  /** What an answer of `node` is bound to. */
  context(node: NodeId): AuditContext {
    const { round, seed } = this.watched.round;
    return { network: this.#network, round, seed, node };
  }

  /** What of the asked `node` has neither shown nor admitted not to have. */
  openOf(node: NodeId): readonly Asked[] {
    return drawnOf(this.watched, node).asked.filter((asked) => {
      const position = this.#positions.get(lineText({ node, asked }))!;
      return this.#seen[position] === undefined && !this.#admitted.has(position);
    });
  }

  heldOf(node: NodeId): readonly Asked[] {
    return this.lines
      .filter((line, position) => this.#seen[position] !== undefined && equal(line.node, node))
      .map(({ asked }) => asked);
  }

  isSeen(position: number): boolean {
    return this.#seen[position] !== undefined;
  }

  /** `judgement` is of this part. */
  noteAnswer(node: NodeId, part: ResponsePart, { held, admitted }: Judgement): void {
    const indices = new Map(
      part.openings.map((opening, index) => [lineText({ node, asked: opening }), index]),
    );
    for (const asked of held) {
      const text = lineText({ node, asked });
      this.#seen[this.#positions.get(text)!] ??= { part, index: indices.get(text)! };
    }
    const signatures = new Map(part.admissions.map(({ place, signature }) => [placeText(place), signature]));
    for (const asked of admitted) {
      const position = this.#positions.get(lineText({ node, asked }))!;
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
    this.#seen[position] ??= shown;
  }

  /** The opening at a position that was seen. */
  show(position: number, hashes: Hashes): ShownOpening {
    const seen = this.#seen[position];
    assert(seen !== undefined, 'what is shown was seen');
    return 'part' in seen ? showOpening(seen.part, seen.index, hashes) : seen;
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

function drawnOf(watched: WatchedRound, node: NodeId): Drawn {
  const drawn = watched.drawn.get(toHex(node));
  assert(drawn !== undefined, 'what the nodes of a group are asked is drawn');
  return drawn;
}

function lineText({ node, asked }: Line): string {
  return `${toHex(node)}/${placeText(asked.place)}/${asked.leafIndex}`;
}
