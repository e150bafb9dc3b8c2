// Seeded bugs of the consensus engine. Each is a mistake that somebody made in some engine, or could; each must be found
// by one of the checkers. One that is not found shows a hole in the checkers, to be mended there.
//
// A bug is edits of the real sources: `find` stands exactly once in the file. `killers` are tried in order, the first
// that fails has found the bug.

import type { Killer, Mutant } from './workshop.ts';

const model = (...args: string[]): Killer => ({ name: 'model', script: 'test/model/main.ts', args });
const sim = (...args: string[]): Killer => ({ name: 'simulator', script: 'test/sim/main.ts', args });
const unit = (...files: string[]): Killer => ({ name: 'unit', tests: files });

/** The unit tests of `src/consensus/NAME.ts`. */
const own = (...names: string[]): Killer => unit(...names.map((name) => `test/consensus/${name}.test.ts`));
/** A plot of an adversary, on a stage of the simulator. */
const plot = (name: string): Killer => ({
  name: 'adversary',
  tests: [`test/adversaries/consensus/${name}.test.ts`],
});
const transcripts: Killer = { name: 'transcript', tests: ['test/consensus/transcripts.test.ts'] };

const smoke: Killer = model('--smoke');
const twins: Killer = sim('--twins', '--seeds', '1..2000', '--minutes', '1');
const campaign: Killer = sim('--seeds', '1..20000', '--minutes', '2');

const ROUND = 'src/consensus/round.ts';
const KEEPER = 'src/consensus/vote-keeper.ts';
const TALLY = 'src/consensus/tally.ts';
const DRIVER = 'src/consensus/driver.ts';
const ENGINE = 'src/consensus/engine.ts';
const OTHERS = 'src/consensus/other-heights.ts';
const FOLLOW = 'src/consensus/follow.ts';
const EFFECTS = 'src/consensus/effects.ts';
const OBLIGATIONS = 'src/consensus/obligations.ts';
const SETS = 'src/consensus/validator-set.ts';

export const CONSENSUS_MUTANTS: readonly Mutant[] = [
  // ---- Locks ----
  {
    name: 'lock-dropped-with-the-round',
    edits: [
      {
        file: ROUND,
        find: "      step: 'propose',\n      hasSeenPolka: false,",
        replace:
          "      step: 'propose',\n      lockedRound: NO_ROUND,\n      lockedBlock: null,\n      hasSeenPolka: false,",
      },
    ],
    killers: [smoke, own('round'), twins],
  },
  {
    name: 'lock-never-taken',
    edits: [
      {
        file: ROUND,
        find: "step: 'precommit', lockedRound: round, lockedBlock: blockId }",
        replace: "step: 'precommit' }",
      },
    ],
    killers: [smoke, own('round'), twins],
  },
  {
    name: 'lock-released-by-nil-polka',
    edits: [
      {
        file: ROUND,
        find: "    case 'nil-polka':\n      return state.step === 'prevote' ? precommit(state, null) : stay(state);",
        replace:
          "    case 'nil-polka':\n      return state.step === 'prevote'\n        ? precommit({ ...state, lockedRound: NO_ROUND, lockedBlock: null }, null)\n        : stay(state);",
      },
    ],
    killers: [smoke, own('round'), campaign],
  },
  {
    name: 'lock-released-by-prevote-timeout',
    edits: [
      {
        file: ROUND,
        find: "    case 'prevote':\n      return state.step === 'prevote' ? precommit(state, null) : stay(state);",
        replace:
          "    case 'prevote':\n      return state.step === 'prevote'\n        ? precommit({ ...state, lockedRound: NO_ROUND, lockedBlock: null }, null)\n        : stay(state);",
      },
    ],
    killers: [smoke, own('round'), campaign],
  },
  {
    name: 'lock-round-not-renewed',
    edits: [
      {
        file: ROUND,
        find: 'lockedRound: round, lockedBlock',
        replace: 'lockedRound: state.lockedRound === NO_ROUND ? round : state.lockedRound, lockedBlock',
      },
    ],
    killers: [smoke, own('round')],
  },
  {
    name: 'lock-ignored-by-fresh-proposals',
    edits: [
      {
        file: ROUND,
        find: 'input, state.lockedRound === NO_ROUND, NO_ROUND)',
        replace: 'input, true, NO_ROUND)',
      },
    ],
    killers: [smoke, own('round'), twins],
  },
  {
    name: 'lock-ignored-by-re-proposals',
    edits: [
      {
        file: ROUND,
        find: 'input, state.lockedRound <= input.validRound, input.validRound)',
        replace: 'input, true, input.validRound)',
      },
    ],
    killers: [smoke, own('round'), campaign],
  },
  {
    // The rule as published. An honest validator can be framed under it: consensus.md, "Where it departs".
    name: 'published-lock-rule',
    edits: [
      {
        file: ROUND,
        find: 'input, state.lockedRound <= input.validRound, input.validRound)',
        replace:
          'input, state.lockedRound <= input.validRound || state.lockedBlock === input.blockId, input.validRound)',
      },
      {
        file: ROUND,
        find: 'input, state.lockedRound === NO_ROUND, NO_ROUND)',
        replace: 'input, state.lockedRound === NO_ROUND || state.lockedBlock === input.blockId, NO_ROUND)',
      },
    ],
    killers: [plot('framer'), smoke, transcripts],
  },
  // ---- Votes ----
  {
    name: 'invalid-block-prevoted',
    edits: [
      {
        file: ROUND,
        find: 'const isAccepted = proposal.isValid && isUnlocked;',
        replace: 'const isAccepted = isUnlocked;',
      },
    ],
    killers: [own('round'), smoke, campaign],
  },
  {
    name: 'second-precommit-on-late-polka',
    edits: [
      {
        file: ROUND,
        find: "  if (state.step === 'precommit') return { state: seen, outputs: NOTHING };",
        replace:
          "  if (state.step === 'precommit')\n    return { state: seen, outputs: [{ kind: 'precommit', round, blockId }] };",
      },
    ],
    killers: [smoke, own('round'), twins],
  },
  {
    name: 'vote-after-decision',
    edits: [
      {
        file: ROUND,
        find: "  if (state.step === 'awaiting' || state.step === 'decided') return stay(state);",
        replace: "  if (state.step === 'awaiting') return stay(state);",
      },
      {
        file: ROUND,
        find: "      step: input.isValid ? 'decided' : 'awaiting',",
        replace: "      step: input.isValid ? 'precommit' : 'awaiting',",
      },
    ],
    killers: [twins, own('round'), smoke],
  },
  {
    name: 'polka-in-the-propose-step-is-lost',
    edits: [
      {
        file: ROUND,
        find: "  if (state.hasSeenPolka || state.step === 'propose') return stay(state);",
        replace:
          "  if (state.hasSeenPolka) return stay(state);\n  if (state.step === 'propose') return { state: { ...state, hasSeenPolka: true }, outputs: NOTHING };",
      },
      {
        file: DRIVER,
        find: "  if (hasSeenPolka || step === 'propose') return undefined;",
        replace: '  if (hasSeenPolka) return undefined;',
      },
    ],
    killers: [own('round', 'driver'), smoke],
  },
  {
    name: 'valid-block-not-proposed-again',
    edits: [
      {
        file: ROUND,
        find: '  const repeats = isProposer(round) && validBlock !== null;',
        replace: '  const repeats = false as boolean && validBlock !== null;',
      },
      {
        file: ROUND,
        find: '    validBlock === null\n',
        replace: '    validBlock === null || round >= 0\n',
      },
    ],
    killers: [own('round'), twins, smoke],
  },
  {
    name: 'stale-timeout-obeyed',
    edits: [
      {
        file: ENGINE,
        find: 'if (height !== driver.start.height || round !== driver.round.round) return unchanged(state);',
        replace: 'if (height > driver.start.height) return unchanged(state);',
      },
      {
        file: ENGINE,
        find: 'driveTimeout(driver, timeout, round)',
        replace: 'driveTimeout(driver, timeout, driver.round.round)',
      },
    ],
    killers: [own('engine')],
  },
  // ---- Quorums ----
  {
    name: 'quorum-of-half',
    edits: [
      {
        file: SETS,
        find: 'QUORUM: Threshold = { numerator: 2n, denominator: 3n }',
        replace: 'QUORUM: Threshold = { numerator: 1n, denominator: 2n }',
      },
    ],
    killers: [twins, smoke],
  },
  {
    name: 'quorum-of-two-faults',
    edits: [
      {
        file: SETS,
        find: 'QUORUM: Threshold = { numerator: 2n, denominator: 3n }',
        replace: 'QUORUM: Threshold = { numerator: 2n, denominator: 5n }',
      },
    ],
    killers: [twins, smoke],
  },
  {
    name: 'quorum-met-by-exactly-two-thirds',
    edits: [
      {
        file: SETS,
        find: 'return power * threshold.denominator > totalPower * threshold.numerator;',
        replace: 'return power * threshold.denominator >= totalPower * threshold.numerator;',
      },
    ],
    killers: [own('validator-set'), smoke],
  },
  {
    name: 'signer-counted-twice',
    edits: [
      {
        file: TALLY,
        find: '  if (isSameVote(first, vote) || before.seconds.some((second) => isSameSlot(second, vote))) return before;',
        replace: '  if (before.seconds.some((second) => isSameSlot(second, vote))) return before;',
      },
    ],
    killers: [twins, own('vote-keeper')],
  },
  {
    name: 'equivocator-hides-the-quorum',
    edits: [
      {
        file: TALLY,
        find: '    seconds: [...before.seconds, vote],\n    tallies: tallied(set, before.tallies, vote),',
        replace: '    seconds: [...before.seconds, vote],',
      },
    ],
    killers: [own('vote-keeper'), smoke],
  },
  {
    name: 'polka-of-mixed-valid-rounds',
    edits: [
      {
        file: TALLY,
        find: '(tally) => tally.kind === kind && tally.blockId === blockId && tally.validRound === validRound,',
        replace: '(tally) => tally.kind === kind && tally.blockId === blockId,',
      },
    ],
    killers: [own('vote-keeper'), smoke],
  },
  {
    name: 'decision-on-prevotes',
    edits: [
      {
        file: KEEPER,
        find: '    if (!votes.hasPrecommitQuorum) continue;',
        replace: '    if (!votes.hasPrevoteQuorum) continue;',
      },
      {
        file: KEEPER,
        find: "      if (isReached && kind === 'precommit' && blockId !== null)",
        replace: '      if (isReached && kind !== null && blockId !== null)',
      },
    ],
    killers: [twins, own('vote-keeper'), smoke],
  },
  {
    name: 'skip-on-a-single-vote',
    edits: [
      {
        file: KEEPER,
        find: '    if (isWeak(keeper.validators, power)) return round;',
        replace: '    if (power > 0n) return round;',
      },
    ],
    killers: [smoke, own('vote-keeper')],
  },
  {
    name: 'skip-on-own-votes',
    edits: [
      {
        file: KEEPER,
        find: 'round > keeper.round && validator !== self)',
        replace: 'round > keeper.round && validator !== -1)',
      },
    ],
    killers: [own('vote-keeper')],
  },
  {
    name: 'votes-ahead-forgotten',
    edits: [
      {
        file: KEEPER,
        find: '    for (const vote of votes) {\n      const { keeper: next, evidence } = addVote',
        replace: '    for (const vote of votes.slice(1)) {\n      const { keeper: next, evidence } = addVote',
      },
    ],
    killers: [own('vote-keeper')],
  },
  // ---- The driver ----
  {
    name: 're-proposal-without-its-polka',
    edits: [
      {
        file: DRIVER,
        find: '  if (polkaFor(state.votes, validRound, blockId) === undefined) return undefined;\n',
        replace: '',
      },
    ],
    killers: [own('driver'), smoke],
  },
  {
    name: 'precommit-before-the-verdict',
    edits: [
      {
        file: DRIVER,
        find: 'if (proposal.round !== round || verdictOn(state, blockId) !== true) continue;',
        replace: 'if (proposal.round !== round) continue;',
      },
    ],
    killers: [own('driver'), smoke, campaign],
  },
  {
    name: 'decision-without-the-block',
    edits: [
      {
        file: DRIVER,
        find: '  const isValid = verdictOn(state, blockId) === true;\n  if (!isValid && ',
        replace: '  const isValid = true as boolean;\n  if (!isValid && ',
      },
    ],
    killers: [own('driver'), smoke],
  },
  {
    name: 'rules-not-looked-at-again',
    edits: [
      { file: DRIVER, find: 'const STEPS_MAX = 64;', replace: 'const STEPS_MAX = 1;' },
      {
        file: DRIVER,
        find: "  assert(false, 'rules come to rest');",
        replace: '  return withRound(current);',
      },
    ],
    killers: [smoke, own('driver')],
  },
  {
    name: 'only-one-proposal-kept',
    edits: [
      { file: DRIVER, find: 'const PROPOSALS_PER_ROUND = 2;', replace: 'const PROPOSALS_PER_ROUND = 1;' },
    ],
    killers: [own('driver')],
  },
  // ---- Order of effects ----
  {
    name: 'persist-after-broadcast',
    edits: [
      {
        file: FOLLOW,
        find: "[...quiet, { kind: 'persist' } as const, ...speaking]",
        replace: "[...quiet, ...speaking, { kind: 'persist' } as const]",
      },
    ],
    killers: [own('engine'), campaign],
  },
  {
    name: 'nothing-persisted',
    edits: [
      {
        file: FOLLOW,
        find: "[...quiet, { kind: 'persist' } as const, ...speaking]",
        replace: '[...quiet, ...speaking]',
      },
    ],
    killers: [own('engine'), campaign],
  },
  {
    name: 'timeouts-not-logged',
    edits: [
      {
        file: FOLLOW,
        find: "const quiet: Effect[] = [{ kind: 'append', input }, ...said",
        replace:
          "const quiet: Effect[] = [...(input.kind === 'timeout' ? [] : [{ kind: 'append', input } as const]), ...said",
      },
    ],
    killers: [own('engine'), campaign],
  },
  {
    name: 'own-votes-never-broadcast',
    edits: [
      {
        file: ENGINE,
        find: "const said: readonly Effect[] = [{ kind: 'broadcast', message }];",
        replace: "const said: readonly Effect[] = [{ kind: 'broadcast' as const, message }].slice(1);",
      },
    ],
    killers: [own('engine'), twins],
  },
  {
    name: 'early-messages-dropped',
    edits: [
      { file: ENGINE, find: '    if (message.height !== start.height) continue;', replace: '    continue;' },
    ],
    killers: [own('engine')],
  },
  {
    name: 'second-copy-of-the-key-unnoticed',
    edits: [
      {
        file: ENGINE,
        find: "return isKnown ? unchanged(state) : { state, effects: [{ kind: 'foreign-signature', message }] };",
        replace: 'return isKnown ? unchanged(state) : unchanged(state);',
      },
    ],
    killers: [own('engine')],
  },
  // ---- Obligations ----
  {
    name: 'round-entered-without-a-word',
    edits: [
      {
        file: OBLIGATIONS,
        find: '  return [entryCertificate(driver, round), polka].filter(',
        replace: '  return [polka].filter(',
      },
    ],
    killers: [own('engine')],
  },
  {
    name: 're-proposal-sent-without-its-polka',
    edits: [
      {
        file: EFFECTS,
        find: "      return certificate === undefined ? NO_EFFECTS : [{ kind: 'broadcast', message: certificate }];",
        replace: '      return certificate === undefined ? NO_EFFECTS : NO_EFFECTS;',
      },
    ],
    killers: [own('engine')],
  },
  {
    name: 'hidden-lock',
    edits: [
      {
        file: EFFECTS,
        find: '      if (!hasVoice || output.round === 0) return NO_EFFECTS;',
        replace: '      if (!hasVoice || output.round >= 0) return NO_EFFECTS;',
      },
    ],
    killers: [plot('late-polka'), transcripts],
  },
  {
    name: 'lock-of-the-first-round-kept-to-oneself',
    edits: [
      {
        file: OBLIGATIONS,
        find: 'validBlock === null || isProposer(driver, round)',
        replace: 'validBlock === null || round > 0',
      },
    ],
    killers: [transcripts],
  },
  {
    name: 'nobody-repeats-himself',
    edits: [
      {
        file: OBLIGATIONS,
        find: '  return [entryCertificate(driver, round), polka, proposal, own.prevote, own.precommit].filter(',
        replace: '  return ([] as (Message | undefined)[]).filter(',
      },
    ],
    killers: [own('engine'), campaign],
  },
  {
    name: 'the-late-are-left-alone',
    edits: [
      {
        file: OTHERS,
        find: '  return { state, effects: [sendDecision(message)] };\n}\n\n/** After',
        replace: '  return unchanged(state);\n}\n\n/** After',
      },
    ],
    killers: [own('engine'), campaign],
  },
  // ---- Certificates, evidence, keys ----
  {
    name: 'certificate-with-one-bad-signature',
    edits: [
      {
        file: 'src/consensus/certificate.ts',
        find: "  return areSigned(network, set, certificate, verify) ? undefined : 'bad-signature';",
        replace: '  return areSigned(network, set, certificate, verify) ? undefined : undefined;',
      },
    ],
    killers: [own('certificate')],
  },
  {
    name: 'certificate-too-light',
    edits: [
      {
        file: 'src/consensus/certificate.ts',
        find: "  if (!exceeds(thresholdOf(certificate), power, set.totalPower)) return 'too-light';",
        replace: "  if (!exceeds(WEAK, power, set.totalPower)) return 'too-light';",
      },
    ],
    killers: [own('certificate')],
  },
  {
    name: 'proposal-from-anybody',
    edits: [
      {
        file: 'src/consensus/verify.ts',
        find: '      if (message.validator !== proposerAt(start.proposers, message.height, message.round))',
        replace: '      if (message.validator === -1)',
      },
    ],
    killers: [own('verify')],
  },
  {
    name: 'amnesia-seen-in-the-honest',
    edits: [
      {
        file: 'src/consensus/evidence.ts',
        find: '    prevote.validRound < precommit.round;',
        replace: '    prevote.validRound <= precommit.round;',
      },
    ],
    killers: [smoke, own('evidence')],
  },
  {
    name: 'amnesia-overlooked',
    edits: [
      {
        file: 'src/consensus/evidence.ts',
        find: '    prevote.round > precommit.round &&',
        replace: '    prevote.round < precommit.round &&',
      },
    ],
    killers: [smoke, own('evidence')],
  },
  {
    name: 'guard-signs-a-conflict',
    edits: [
      {
        file: 'src/consensus/signer-guard.ts',
        find: "  return equal(request.signBytes, last!.signBytes) ? 'repeat' : 'conflict';",
        replace: "  return equal(request.signBytes, last!.signBytes) ? 'repeat' : 'sign';",
      },
    ],
    killers: [own('signer-guard')],
  },
  {
    name: 'biased-draw',
    edits: [
      {
        file: 'src/base/draw.ts',
        find: '      if (word < fairWords) return word % bound;',
        replace: '      if (word < fairWords || bound > 0n) return word % bound;',
      },
    ],
    killers: [unit('test/base/draw.test.ts')],
  },
];
