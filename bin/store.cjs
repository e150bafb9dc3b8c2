#!/usr/bin/env node
// The first thing that runs, on whatever Node the machine has: plain old JavaScript, no dependency. It finds a Node
// that can run Holdfast (this one, or the one that came with the dependencies), else says so in one sentence.
//
// A sources checkout runs cli/main.ts as it is (Node strips the types); a published package runs dist/cli/main.js.
'use strict';

var childProcess = require('child_process');
var fs = require('fs');
var path = require('path');

var OLDEST = [22, 13];
/** From here on Node strips types without a flag. */
var STRIPS_TYPES = [22, 18];

var root = path.join(__dirname, '..');
var isCheckout = fs.existsSync(path.join(root, 'cli', 'main.ts'));
var main = isCheckout ? path.join(root, 'cli', 'main.ts') : path.join(root, 'dist', 'cli', 'main.js');

function isAtLeast(wanted) {
  var parts = process.versions.node.split('.').map(Number);
  return parts[0] > wanted[0] || (parts[0] === wanted[0] && parts[1] >= wanted[1]);
}

/** The Node that npm installed with Holdfast, if there is one for this machine. */
function bundledNode() {
  var system = process.platform === 'win32' ? 'win' : process.platform;
  var name = 'node-' + system + '-' + process.arch;
  var file = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node';
  try {
    return require.resolve(name + '/' + file, { paths: [root] });
  } catch (_) {
    var beside = path.join(root, 'node_modules', name, file);
    return fs.existsSync(beside) ? beside : undefined;
  }
}

/**
 * For the environment of `store node`: what the C library is told before a process starts. With one arena for all threads a node at rest takes
 * a tenth less memory, and no more time.
 */
function nodeEnvironment(args) {
  var isWanted =
    args[0] === 'node' && process.platform === 'linux' && process.env.MALLOC_ARENA_MAX === undefined;
  return isWanted ? { MALLOC_ARENA_MAX: '1' } : undefined;
}

function fail(sentence) {
  process.stderr.write('store: ' + sentence + '\n');
  process.exit(1);
}

/**
 * Runs `args` under another Node: same terminal, signals passed on, exit status taken over. Descriptor 3 is a pipe that
 * closes when this process ends in any way, so that the other one never outlives it.
 */
function runUnder(node, args, more) {
  var env = Object.assign({}, process.env, more, { HOLDFAST_GUARD_FD: '3' });
  var child = childProcess.spawn(node, args, { stdio: ['inherit', 'inherit', 'inherit', 'pipe'], env: env });
  ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'].forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal);
    });
  });
  child.on('error', function (error) {
    fail('cannot run ' + node + ': ' + error.message);
  });
  child.on('exit', function (code, signal) {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function start() {
  if (!fs.existsSync(main))
    return fail(main + ' is missing: run "npm ci" and "npm run build", or install holdfast again.');
  if (isCheckout && !fs.existsSync(path.join(root, 'node_modules', 'commander'))) {
    return fail('the dependencies are missing: run "npm ci" in ' + root + '.');
  }
  var args = process.argv.slice(2);
  var more = nodeEnvironment(args);
  if (isAtLeast(OLDEST) && (!isCheckout || isAtLeast(STRIPS_TYPES))) {
    // Under a guard the environment was right from the start, and the pipe to it would not survive.
    if (more !== undefined) become(args, more);
    return load();
  }
  // One page that needs no second Node: it would take longer to start than to read. A test holds it to the parser.
  if (args.length === 1 && (args[0] === '--help' || args[0] === '-h')) {
    fs.writeSync(1, fs.readFileSync(path.join(__dirname, 'help.txt')));
    return undefined;
  }
  var bundled = bundledNode();
  if (bundled !== undefined && bundled !== process.execPath)
    return runUnder(bundled, [__filename].concat(args), more);
  if (isAtLeast(OLDEST)) {
    return runUnder(
      process.execPath,
      ['--experimental-strip-types', '--disable-warning=ExperimentalWarning', main].concat(args),
      more,
    );
  }
  return fail(
    'Holdfast needs Node ' +
      OLDEST.join('.') +
      ' or newer, this is ' +
      process.versions.node +
      '; install a newer Node, or run "npm ci", which brings one for Linux and Windows.',
  );
}

function hideExperiments() {
  process.removeAllListeners('warning');
  process.on('warning', function (warning) {
    if (warning.name !== 'ExperimentalWarning')
      process.stderr.write(warning.name + ': ' + warning.message + '\n');
  });
}

/** Becomes the same process with more in its environment, where Node can do that; else goes on as it is. */
function become(args, more) {
  hideExperiments();
  if (process.execve === undefined) return;
  var words = [process.execPath].concat(process.execArgv, __filename, args);
  try {
    process.execve(process.execPath, words, Object.assign({}, process.env, more));
  } catch (_) {
    // Not on this system.
  }
}

function load() {
  hideExperiments();
  // Stripping types costs 60 ms at the first start; later starts find the result beside the dependencies.
  var enable = require('module').enableCompileCache;
  if (isCheckout && enable !== undefined) enable(path.join(root, 'node_modules', '.cache', 'holdfast'));
  process.argv[1] = main;
  import(require('url').pathToFileURL(main).href).catch(function (error) {
    fail('cannot start: ' + (process.env.HOLDFAST_DEBUG ? error.stack : error.message));
  });
}

start();
