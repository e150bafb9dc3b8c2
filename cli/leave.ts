// `store leave`: the node of this machine goes, and its stake comes back.

import type { LeaveStep } from '../src/node/leave.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';
import { DIR_OPTION } from './node-folder.ts';

interface LeaveFlags extends ClientFlags {
  readonly dir?: string;
}

export const leave: CommandSpec = {
  name: 'leave',
  summary: "retire this machine's node and take its stake back",
  operands: '',
  options: [DIR_OPTION, ...CLIENT_OPTIONS],
  details: `For good: the key of a node that left does not come back. From the next epoch
on it is given nothing new. Until then it hands its pieces over to the others:
keep it running, "store node status" says how many it still holds; what is left
then the others rebuild. The stake is free when its unbonding time is over; run
this again then to take it out.`,
  async run(context, _, flags) {
    const { output, home, signal } = context;
    const { leaveNetwork } = await import('../src/node/leave.ts');
    const { nodeFolderOf } = await import('./node-folder.ts');
    const { withStore } = await import('./open.ts');
    const { toHex } = await import('../src/base/bytes.ts');
    const { shortId } = await import('./format.ts');
    const { dir, ...rest } = flags as LeaveFlags;
    return withStore(context, rest, async ({ store, events }) => {
      const chain = await store.chain(events);
      const onStep = (step: LeaveStep): void => {
        const said = STEPS[step];
        if (said !== undefined) output.note(said);
      };
      const left = await leaveNetwork({ folder: nodeFolderOf(home, dir), chain, signal, onStep });
      const { epoch, memberUntil, validatorUntil, leaving, freeAfterEpoch, balance } = left;
      const node = toHex(left.node);
      output.result(`node ${shortId(node)} leaves the network`, {
        node,
        account: toHex(left.account),
        epoch,
        memberUntil: memberUntil ?? null,
        validatorUntil: validatorUntil ?? null,
        leaving: String(leaving),
        freeAfterEpoch: freeAfterEpoch ?? null,
        balance: String(balance),
      });
      output.note(
        memberUntil === undefined
          ? 'it is no member'
          : `a member until epoch ${memberUntil} ends, which runs now`,
      );
      if (validatorUntil !== undefined) output.note(`a validator until epoch ${validatorUntil} at least`);
      if (leaving > 0n) output.note(stakeNote(leaving, freeAfterEpoch));
      output.note('it hands its pieces over now: keep it running until "store node status" shows none');
      return undefined;
    });
  },
};

const STEPS: Readonly<Record<LeaveStep, string | undefined>> = {
  unbond: 'asking for the stake back',
  retire: 'retiring the node',
  withdraw: 'taking out what is free',
  done: undefined,
};

function stakeNote(leaving: bigint, freeAfterEpoch: number | undefined): string {
  const when =
    freeAfterEpoch === undefined
      ? 'when a border has let it go and the unbonding time is over'
      : `after epoch ${freeAfterEpoch}, when no evidence against the node is taken any more`;
  return `${leaving} tokens are free ${when}: run "store leave" again then`;
}
