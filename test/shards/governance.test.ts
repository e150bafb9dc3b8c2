import { describe, expect, test } from 'vitest';
import type { Digest } from '../../src/base/ids.ts';
import { proposalsOf } from '../../src/shards/governance.ts';
import { proposeParameters, type ProposeParameters } from '../../src/shards/operations/propose-parameters.ts';
import { voteParameters } from '../../src/shards/operations/vote-parameters.ts';
import { type Parameters, parametersDigest, parametersOf } from '../../src/shards/parameters.ts';
import { PROPOSALS_MAX } from '../../src/base/limits.ts';
import { digestFrom } from '../helpers/records.ts';
import { Ledger, TEST_PARAMETERS } from './stake-kit.ts';

const IN_FORCE = parametersOf(new Ledger().view);
const changed = (changes: Partial<Parameters>, replaced: Parameters = IN_FORCE): ProposeParameters => ({
  replaces: parametersDigest(replaced),
  parameters: { ...TEST_PARAMETERS, ...changes },
});
const longer = changed({ epochBlocks: 20 });
const idOfProposal = (ledger: Ledger, index = 0): Digest => proposalsOf(ledger.view)[index]!.id;
const yes = (ledger: Ledger, from: string, index = 0) =>
  ledger.run(from, voteParameters, { proposal: idOfProposal(ledger, index), isYes: true });

describe('a change of parameters', () => {
  test('is in force after the border when more than two thirds of the power said yes', () => {
    const ledger = new Ledger();
    expect(ledger.run('o0', proposeParameters, longer)).toBe(undefined);
    expect(yes(ledger, 'o1')).toBe(undefined);
    expect(ledger.close().haveParametersChanged, 'half').toBe(false);
    expect(yes(ledger, 'o2')).toBe(undefined);
    expect(parametersOf(ledger.view).epochBlocks, 'not before the border').toBe(10);
    expect(ledger.close().haveParametersChanged).toBe(true);
    expect(parametersOf(ledger.view).epochBlocks).toBe(20);
    expect(ledger.close().firstHeight, 'two epochs of ten and one of twenty').toBe(41);
    expect(proposalsOf(ledger.view)).toEqual([]);
  });

  test('two thirds exactly are not enough, and who says yes twice counts once', () => {
    const ledger = new Ledger({ stakes: [200n, 200n, 200n] });
    ledger.run('o0', proposeParameters, longer);
    for (const who of ['o1', 'o1', 'o0']) expect(yes(ledger, who)).toBe(undefined);
    expect(ledger.close().haveParametersChanged).toBe(false);
  });

  test('a yes may be taken back', () => {
    const ledger = new Ledger();
    ledger.run('o0', proposeParameters, longer);
    yes(ledger, 'o1');
    yes(ledger, 'o2');
    const back = { proposal: idOfProposal(ledger), isYes: false };
    expect(ledger.run('o1', voteParameters, back)).toBe(undefined);
    expect(ledger.close().haveParametersChanged).toBe(false);
  });

  test('expires when nobody wants it', () => {
    const ledger = new Ledger();
    ledger.run('o0', proposeParameters, longer);
    const proposal = idOfProposal(ledger);
    ledger.close();
    ledger.close();
    expect(proposalsOf(ledger.view).length).toBe(1);
    ledger.close();
    expect(proposalsOf(ledger.view)).toEqual([]);
    expect(ledger.run('o1', voteParameters, { proposal, isYes: true })).toBe('expired');
  });

  test('drops what was proposed against parameters that are no more', () => {
    const ledger = new Ledger();
    ledger.run('o0', proposeParameters, longer);
    ledger.run('o1', proposeParameters, changed({ rewardPerEpoch: 5n }));
    for (const who of ['o1', 'o2']) yes(ledger, who, 0);
    for (const who of ['o0', 'o2']) yes(ledger, who, 1);
    ledger.close();
    expect(proposalsOf(ledger.view)).toEqual([]);
    expect(parametersOf(ledger.view)).toMatchObject({ epochBlocks: 20, rewardPerEpoch: 0n });
    expect(ledger.run('o1', proposeParameters, changed({ rewardPerEpoch: 5n }))).toBe('condition-failed');
    const again = changed({ rewardPerEpoch: 5n }, parametersOf(ledger.view));
    expect(ledger.run('o1', proposeParameters, again)).toBe(undefined);
  });

  test('is proposed and decided by operators of validators alone', () => {
    const ledger = new Ledger();
    expect(ledger.run('alice', proposeParameters, longer)).toBe('not-the-operator');
    ledger.run('o0', proposeParameters, longer);
    expect(yes(ledger, 'alice')).toBe('not-the-operator');
    const nothing = { proposal: digestFrom('nothing'), isYes: true };
    expect(ledger.run('o1', voteParameters, nothing)).toBe('expired');
  });

  test('may not touch assets that there are, nor weigh more than votes can', () => {
    const ledger = new Ledger({ balances: [['rich', [[0, 2n ** 58n]]]] });
    const gone = changed({ assets: TEST_PARAMETERS.assets.slice(0, 2) });
    expect(ledger.run('o0', proposeParameters, gone)).toBe('invalid-argument');
    const heavy = changed({
      assets: TEST_PARAMETERS.assets.with(0, { name: 'native', weight: 9n, isCapacity: false }),
    });
    expect(ledger.run('o0', proposeParameters, heavy)).toBe('invalid-argument');
    const half = changed({
      assets: TEST_PARAMETERS.assets.with(0, { name: 'native', weight: 7n, isCapacity: false }),
    });
    expect(ledger.run('o0', proposeParameters, half)).toBe(undefined);
  });

  test('an operator has one open, and so many are open in all', () => {
    const stake = { ...TEST_PARAMETERS.stake, validatorsMax: 20 };
    const stakes = Array.from({ length: PROPOSALS_MAX + 1 }, () => 100n);
    const ledger = new Ledger({ stakes, parameters: { stake } });
    const longer = changed({ epochBlocks: 20 }, parametersOf(ledger.view));
    expect(ledger.run('o0', proposeParameters, longer)).toBe(undefined);
    expect(ledger.run('o0', proposeParameters, longer)).toBe('already-exists');
    for (let index = 1; index < PROPOSALS_MAX; index++) {
      expect(ledger.run(`o${index}`, proposeParameters, longer)).toBe(undefined);
    }
    expect(ledger.run(`o${PROPOSALS_MAX}`, proposeParameters, longer)).toBe('limit-exceeded');
  });
});
