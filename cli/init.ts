// `store init`: founds a network on this machine and makes it the network of the home.

import { EPOCH_BLOCKS_MAX } from '../src/base/limits.ts';
import { parseCount, parseLabel, parseText } from './args.ts';
import type { CommandSpec, Context } from './command.ts';
import { NODE_OPTIONS, type NodeFlags } from './node-folder.ts';

interface InitFlags extends NodeFlags {
  readonly name: string;
  readonly trial?: boolean;
  readonly epochBlocks?: number;
  readonly force?: boolean;
}

export const init: CommandSpec = {
  name: 'init',
  summary: 'found a network: its genesis and its first node',
  operands: '',
  options: [
    { flags: '--name <name>', help: 'name of the network', parse: parseLabel, fallback: 'holdfast' },
    ...NODE_OPTIONS,
    {
      flags: '--psk <file>',
      help: 'pre-shared network key; made where the file is missing',
      parse: parseText,
    },
    {
      flags: '--epoch-blocks <count>',
      help: 'blocks of an epoch; a node that joins is a member two epochs later (default: 3600)',
      parse: parseCount(2, EPOCH_BLOCKS_MAX),
    },
    { flags: '--trial', help: 'mark it as a trial, whose members are not independent' },
    { flags: '-f, --force', help: "replace the home's network" },
  ],
  details: `Then run the node with "store node", and make a code for each further machine
with "store invite". operator.key in the data folder holds the account of this
node's operator, with its stake and the tokens for those who join: back it up
and keep it private. genesis.key signed the beginning, and is asked for no more.`,
  run: (context, _, flags) => found(context, flags as unknown as InitFlags),
};

async function found({ output, home }: Context, flags: InitFlags): Promise<undefined> {
  const { defaultOperator, newNodeConfig, nodeFolderOf } = await import('./node-folder.ts');
  const { adoptNetwork, makePresharedKey, refuseOtherNetwork } = await import('./home-network.ts');
  const { CONFIG_DEFAULTS } = await import('../src/node/config.ts');
  const { describeNetwork, initNetwork } = await import('../src/node/folder-setup.ts');
  const { bulkAddresses } = await import('../src/node/invite.ts');
  const { toHex } = await import('../src/base/bytes.ts');

  await refuseOtherNetwork(home, undefined, flags.force === true);
  const operator = flags.operator ?? defaultOperator();
  const config = { ...newNodeConfig(flags), operator };
  const bootstrap = bulkAddresses({ ...CONFIG_DEFAULTS, ...config });
  if (flags.psk !== undefined) await makePresharedKey(config.presharedKeyFile!);
  const { folder, identity, account, founding } = await initNetwork({
    folder: nodeFolderOf(home, flags.dir),
    name: flags.name,
    config,
    params: { isTrial: flags.trial === true },
    ...(flags.epochBlocks === undefined ? {} : { epochBlocks: flags.epochBlocks }),
  });
  const description = describeNetwork(founding, bootstrap);
  await adoptNetwork(home, description, config.presharedKeyFile);
  output.result(`network ${flags.name} ${description.network}`, {
    ...description,
    node: toHex(identity.nodeId),
    operator,
    account: toHex(account),
    dir: folder.path,
    isTrial: flags.trial === true,
  });
  const where = flags.dir === undefined ? '' : ` --dir ${folder.path}`;
  output.note(`operator ${operator} has account ${toHex(account)}`);
  output.note(`data folder ${folder.path}; back up ${folder.identityKey} and ${folder.operatorKey}`);
  output.note(`next: store node${where}, then store invite${where}`);
  return undefined;
}
