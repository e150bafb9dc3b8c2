// `store stake`: what an account and a node have at stake, and everything that changes it. What each action asks of the chain is in
// stake-actions.ts.

import { StoreError } from '../src/base/errors.ts';
import { parseLabel, parseText, refuse } from './args.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';

const ACTIONS = ['show', 'bond', 'unbond', 'delegate', 'withdraw', 'unjail', 'transfer'] as const;
export type StakeAction = Exclude<(typeof ACTIONS)[number], 'show'>;

export interface StakeFlags extends ClientFlags {
  readonly key?: string;
  readonly dir?: string;
  readonly asset?: string;
  readonly passphraseFile?: string;
  readonly dryRun?: boolean;
}

/** What the user asked for, its words still as given. */
export interface StakeRequest {
  readonly action: StakeAction;
  /** A node; of a transfer an account. */
  readonly target: string;
  /** 0 where the action takes none. */
  readonly amount: bigint;
}

export const stake: CommandSpec = {
  name: 'stake',
  summary: 'show and change stake: bond, delegate, withdraw, transfer tokens',
  operands: '[action] [target] [amount]',
  options: [
    {
      flags: '--key <name>',
      help: 'sign with this key of the home (default: its default key)',
      parse: parseText,
    },
    {
      flags: '--dir <folder>',
      help: "sign with the operator's key in the data folder of a node",
      parse: parseText,
    },
    { flags: '--asset <name>', help: 'of which asset (default: the native one)', parse: parseLabel },
    { flags: '--dry-run', help: 'say what would come of it, and sign nothing' },
    {
      flags: '--passphrase-file <file>',
      help: 'take the passphrase from this private file instead of asking',
      parse: parseText,
    },
    ...CLIENT_OPTIONS,
  ],
  completes: ACTIONS,
  details: `Actions:
  show [ACCOUNT|NODE]       what it has, has bonded, and waits for (also without
                            action; without a name: the account that signs)
  bond NODE AMOUNT          put more of the operator's tokens behind its node
  unbond NODE AMOUNT        ask for them back: they wait, liable, until their
                            unbonding time is over
  delegate NODE AMOUNT      put tokens behind the node of another
  withdraw NODE             take out what has unbonded there
  unjail NODE               say that a node is back, when its jail is over
  transfer ACCOUNT AMOUNT   send tokens

A node is the first digits of its id, an account its 64 hex digits or the name of
a key of this home; amounts are whole numbers of the smallest unit. A change is
tried on the proven state first, so that what would be refused is not handed in;
then the command waits until it is final and says what the state is now.`,
  async run(context, operands, flags) {
    const [action = 'show', target, amount] = operands;
    const known = ACTIONS.find((each) => each === action);
    if (known === undefined) {
      throw new StoreError('INVALID_ARGUMENT', `stake has no action "${action}"`, {
        next: `Give one of ${ACTIONS.join(', ')}.`,
      });
    }
    if (known === 'show') {
      if (amount !== undefined)
        throw new StoreError('INVALID_ARGUMENT', 'too many arguments for "stake show"');
      const { showStake } = await import('./stake-show.ts');
      return showStake(context, target, flags as StakeFlags);
    }
    const { runStakeAction } = await import('./stake-actions.ts');
    return runStakeAction(context, requestOf(known, target, amount), flags as StakeFlags);
  },
};

function requestOf(
  action: StakeAction,
  target: string | undefined,
  amount: string | undefined,
): StakeRequest {
  const takesAmount = action !== 'withdraw' && action !== 'unjail';
  const usage = `store stake ${action} ${action === 'transfer' ? 'ACCOUNT' : 'NODE'}${takesAmount ? ' AMOUNT' : ''}`;
  if (target === undefined || takesAmount !== (amount !== undefined)) {
    const problem = target === undefined || amount === undefined ? 'needs more' : 'takes no amount';
    throw new StoreError('INVALID_ARGUMENT', `stake ${action} ${problem}`, { next: usage });
  }
  return { action, target, amount: amount === undefined ? 0n : amountOf(amount) };
}

const AMOUNT_MAX = 2n ** 64n - 1n;

function amountOf(text: string): bigint {
  const amount = /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
  if (amount < 1n || amount > AMOUNT_MAX) throw refuse('amount', text, 'a whole number of tokens from 1 on');
  return amount;
}
