// Where liars meet the others: rounds that a real ledger begins, nodes that audit each other in them on a network in memory, and what comes of it
// executed on that ledger.

import { expect } from 'vitest';
import type { NodeId } from '../../../src/base/ids.ts';
import { FAILED, HELD, type VerdictList } from '../../../src/node/audit/group-audit.ts';
import { contentsOf } from '../../../src/node/audit/contents.ts';
import { signAnchor } from '../../../src/proofs/anchor.ts';
import type { NodeCounts } from '../../../src/proofs/results.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import { auditGroup, auditRoundsOf, auditRule } from '../../../src/shards/audit-rounds.ts';
import { type AuditRules, DEFAULT_AUDIT } from '../../../src/shards/audit-rules.ts';
import type { RefusalCode } from '../../../src/shards/operation.ts';
import { anchorAudit, type AnchorAudit } from '../../../src/shards/operations/anchor-audit.ts';
import { type Standing, standingOf } from '../../../src/shards/standing.ts';
import { resetTurns } from '../../../src/shards/turns.ts';
import { equal } from '../../../src/base/bytes.ts';
import { digestFrom } from '../../helpers/records.ts';
import { AuditWorld, type Auditor, type Seated } from '../../node/audit/audit-kit.ts';
import { idOf, keyNamed, Ledger, TEST_PARAMETERS } from '../../shards/stake-kit.ts';

export interface StageOptions {
  /** Nodes of equal stake, each a validator and a holder: n0, n1, ... */
  readonly count?: number;
  readonly seed?: string;
  readonly audit?: Partial<AuditRules>;
}

/** Blocks in an epoch: more than any test has rounds. */
const EPOCH_BLOCKS = 50_000;

export class Stage {
  readonly ledger: Ledger;
  readonly world: AuditWorld;

  private static ledgerOf({ count = 4, seed = 'stage', audit }: StageOptions): Ledger {
    const rules = { ...DEFAULT_AUDIT, roundMs: 1000, leaves: 24, sweepRounds: 4, suspendRounds: 2, ...audit };
    const ledger = new Ledger({
      stakes: Array.from({ length: count }, () => 1000n),
      parameters: {
        epochBlocks: EPOCH_BLOCKS,
        audit: rules,
        stake: { ...TEST_PARAMETERS.stake, validatorsMax: count },
      },
    });
    ledger.write((state) => resetTurns(state, digestFrom(seed), count));
    return ledger;
  }

  private constructor(ledger: Ledger, world: AuditWorld) {
    this.ledger = ledger;
    this.world = world;
  }

  static async open(options: StageOptions = {}): Promise<Stage> {
    const { count = 4 } = options;
    const ledger = Stage.ledgerOf(options);
    const names = Array.from({ length: count }, (_, index) => `n${index}`);
    const { leaves = 24, sweepRounds = 4 } = options.audit ?? {};
    const kit = { names, signerOf: keyNamed, rules: { leaves, sweepRounds } };
    return new Stage(ledger, await AuditWorld.create(kit, seatedAt(ledger)));
  }

  of(name: string): Auditor {
    return this.world.of(name);
  }

  node(name: string): NodeId {
    return idOf(name);
  }

  nextRound(): void {
    this.ledger.pass(2);
    this.world.begin(seatedAt(this.ledger));
  }

  /** Everybody asks, `leader` leads; what comes of it goes to the ledger. */
  async audit(leader = 'n0', asking: readonly string[] = this.world.names): Promise<AnchorAudit | undefined> {
    await this.world.ask(asking);
    const anchor = await this.world.lead(leader);
    if (anchor !== undefined) expect(this.handIn(anchor)).toBeUndefined();
    return anchor;
  }

  handIn(anchor: AnchorAudit): RefusalCode | undefined {
    return this.ledger.run('anybody', anchorAudit, anchor);
  }

  standing(name: string): Standing {
    return standingOf(this.ledger.view, idOf(name));
  }

  /** What an anchor says of a node. */
  counts(anchor: AnchorAudit, name: string): NodeCounts {
    const { nodes } = this.of('n0').audit.group;
    return anchor.counts[nodes.findIndex((node) => equal(node, idOf(name)))]!;
  }

  /** Positions of what is asked of a node. */
  positions(name: string): readonly number[] {
    const { lines } = this.of('n0').audit;
    return [...lines.keys()].filter((at) => equal(lines[at]!.node, idOf(name)));
  }

  /** What `name` makes of the round. */
  async verdicts(name: string): Promise<VerdictList> {
    const { audit } = this.of(name);
    return audit.verdicts(await contentsOf(this.world.chain, audit.unseenPlaces()));
  }

  /** Those named have thrown in their lot, and sign whatever it is. */
  conspire(names: readonly string[], verdicts: VerdictList): AnchorAudit {
    const { audit, watched } = this.of(names[0]!);
    const text = audit.anchorText(verdicts, PORTABLE_HASHES);
    const { network: _network, ...body } = text;
    const signatures = watched.validators.flatMap(({ node }, auditor) => {
      const name = names.find((each) => equal(idOf(each), node));
      return name === undefined ? [] : [{ auditor, signature: signAnchor(text, keyNamed(name)) }];
    });
    return { ...body, signatures };
  }

  /** Index of a node among the round's validators. */
  auditor(name: string): number {
    return this.of(name).watched.validators.findIndex(({ node }) => equal(node, idOf(name)));
  }
}

/** All held, but for what is said of some positions. */
export function verdictsWith(length: number, failed: readonly number[]): VerdictList {
  const verdicts = new Uint8Array(length).fill(HELD);
  for (const position of failed) verdicts[position] = FAILED;
  return verdicts;
}

/** The round that the opening of the next block begins, and the group of all. */
function seatedAt(ledger: Ledger): Seated {
  ledger.write((state) => {
    const inputs = { proposer: idOf('n0'), reveal: null, evidence: [], lastCommit: null };
    const rest = { transactions: 0, send: () => true, canReshape: true, reshape: () => undefined };
    expect(auditRule.apply({ block: ledger.block, state, inputs, ...rest })).toBeUndefined();
  });
  const round = auditRoundsOf(ledger.view).at(-1)!;
  expect(round.height).toBe(ledger.height);
  return {
    validators: ledger.set(ledger.epoch),
    group: auditGroup(ledger.view, ledger.block, round, 0)!,
  };
}
