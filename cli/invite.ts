// `store invite`: a code by which the founder lets one more node in.

import { parseCount, parseLabel, parseText } from './args.ts';
import type { CommandSpec } from './command.ts';
import { DIR_OPTION } from './node-folder.ts';

const HOUR_MS = 3_600_000;

export const invite: CommandSpec = {
  name: 'invite',
  summary: 'print a code that lets one more node in',
  operands: '',
  options: [
    DIR_OPTION,
    {
      flags: '--operator <name>',
      help: 'only for this operator, who may be a member already',
      parse: parseLabel,
    },
    {
      flags: '--hours <count>',
      help: 'how long the code is good',
      parse: parseCount(1, 24 * 365),
      fallback: '168',
    },
    {
      flags: '--address <address>',
      help: 'where this node is reached, /ip4/../tcp/../tls; may be repeated',
      parse: parseText,
      isList: true,
    },
  ],
  details: `For whoever founded the network: it needs genesis.key in the data folder. The
code is a secret until it is used.`,
  async run({ output, home }, _, flags) {
    const { makeInvitation } = await import('../src/node/invite.ts');
    const { nodeEnvironment, nodeFolderOf } = await import('./node-folder.ts');
    const { operator, address, hours } = flags as {
      readonly operator?: string;
      readonly address?: readonly string[];
      readonly hours: number;
    };
    const { code, expiresAtMs, addresses } = await makeInvitation({
      folder: nodeFolderOf(home, flags['dir'] as string | undefined),
      environment: await nodeEnvironment(),
      lifetimeMs: hours * HOUR_MS,
      ...(operator === undefined ? {} : { operator }),
      ...(address === undefined ? {} : { addresses: address }),
    });
    const expiresAt = new Date(expiresAtMs).toISOString();
    output.result(code, { code, addresses, expiresAt });
    output.note(`good for one node until ${expiresAt}; on the other machine: store join CODE`);
    return undefined;
  },
};
