// Runs before `npm test` and `npm run demo`: installs the locked dependencies when they are missing or older
// than package-lock.json. Plain JavaScript without dependencies, because it runs on whatever Node the machine has.
const { execFileSync } = require('node:child_process');
const { existsSync, statSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
const marker = join(root, 'node_modules', '.package-lock.json');
const lock = join(root, 'package-lock.json');
const isInstalled = existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs;

if (!isInstalled) {
  process.stderr.write('installing dependencies (npm ci) ...\n');
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm, 'ci']] : ['npm', ['ci']];
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
}
