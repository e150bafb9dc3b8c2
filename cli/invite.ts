// `store invite`: a code with which one more node comes in, and the tokens that it bonds.

import { parseCount, parseText } from './args.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';
import { DIR_OPTION } from './node-folder.ts';

interface InviteFlags extends ClientFlags {
  readonly dir?: string;
  readonly stake: number;
  readonly address?: readonly string[];
  readonly takeBack?: string;
}

export const invite: CommandSpec = {
  name: 'invite',
  summary: 'print a code that lets one more node in',
  operands: '',
  options: [
    DIR_OPTION,
    {
      flags: '--stake <tokens>',
      help: "what the new node bonds, out of this operator's account",
      parse: parseCount(1, Number.MAX_SAFE_INTEGER),
      fallback: '100',
    },
    {
      flags: '--address <address>',
      help: 'where this node is reached, /ip4/../tcp/../tls; may be repeated',
      parse: parseText,
      isList: true,
    },
    {
      flags: '--take-back <code>',
      help: 'put the tokens of a code that nobody used back into the account',
      parse: parseText,
    },
    ...CLIENT_OPTIONS,
  ],
  details: `For the operator of any node that has tokens: it needs operator.key in the data
folder, and the network has to be up. The code is worth its tokens until it is
used; the file invitations in the data folder keeps it.`,
  async run(context, _, flags) {
    const { output, home, signal } = context;
    const { makeInvitation, takeBack } = await import('../src/node/invite.ts');
    const { nodeEnvironment, nodeFolderOf } = await import('./node-folder.ts');
    const { withStore } = await import('./open.ts');
    const { plural } = await import('./format.ts');
    const { dir, stake, address, takeBack: code, ...rest } = flags as unknown as InviteFlags;
    const folder = nodeFolderOf(home, dir);
    return withStore(context, rest, async ({ store, events }) => {
      const chain = await store.chain(events);
      if (code !== undefined) {
        const tokens = await takeBack({ folder, chain, signal }, code);
        output.result(`took back ${plural(Number(tokens), 'token')}`, { tokens: String(tokens) });
        return undefined;
      }
      const made = await makeInvitation({
        folder,
        chain,
        signal,
        environment: await nodeEnvironment(),
        tokens: BigInt(stake),
        ...(address === undefined ? {} : { addresses: address }),
      });
      const { tokens, balance, addresses } = made;
      const json = { code: made.code, addresses, tokens: String(tokens), balance: String(balance) };
      output.result(made.code, json);
      output.note(`good for one node, which bonds ${plural(Number(tokens), 'token')}; ${balance} are left`);
      output.note('on the other machine: store join CODE');
      return undefined;
    });
  },
};
