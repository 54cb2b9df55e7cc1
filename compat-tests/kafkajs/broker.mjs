// The broker that the scenarios talk to: one found at an address, or a child process. ../support/README.md has the
// environment.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const START_LIMIT_MS = 90_000 // Apache Kafka, on a busy machine
const env = process.env

export function kind() {
  const given = env.KWIRE_TEST_IS
  if (given && given !== 'kwire' && given !== 'kafka') {
    throw new Error(`KWIRE_TEST_IS is ${given}: it must be kwire or kafka`)
  }
  return given || (env.KWIRE_TEST_BOOTSTRAP || env.KWIRE_TEST_SERVE ? 'kafka' : 'kwire')
}

export function python() {
  const own = join(import.meta.dirname, '../../.venv/bin/python')
  return env.KWIRE_PYTHON || (existsSync(own) ? own : 'python3')
}

// {bootstrap, log(), end()} of a broker that is ready.
export async function broker() {
  if (env.KWIRE_TEST_BOOTSTRAP) {
    return { bootstrap: env.KWIRE_TEST_BOOTSTRAP, log: () => '', end: () => {} }
  }
  const home = mkdtempSync(join(tmpdir(), 'kwire-compat-'))
  const words = env.KWIRE_TEST_SERVE
    ? env.KWIRE_TEST_SERVE.split(/\s+/)
        .filter(Boolean)
        .map(word => word.replace('{port}', '0').replace('{data}', join(home, 'data')))
    : [python(), '-m', 'kwire', 'serve', '--port', '0', '--memory']
  const logFile = join(home, 'broker.log')
  const log = () => readFileSync(logFile, 'utf8')
  const child = spawn(words[0], words.slice(1), {
    stdio: ['ignore', 'pipe', openSync(logFile, 'w')],
    detached: true, // a group of its own, for end
  })
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // it has ended by itself
    }
    rmSync(home, { recursive: true, force: true })
  }
  process.once('exit', end)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  const bootstrap = await new Promise((resolve, reject) => {
    const fail = why => reject(new Error(`${words.join(' ')} ${why}; it said:\n${log()}`))
    const limit = setTimeout(() => fail(`was not ready after ${START_LIMIT_MS} ms`), START_LIMIT_MS)
    let seen = ''
    child.stdout.on('data', part => {
      seen += part
      const ready = seen.match(/ready: (\S+).*\n/)
      if (ready) {
        clearTimeout(limit)
        resolve(ready[1])
      }
    })
    child.once('error', error => fail(error.message))
    child.once('exit', () => fail('ended without a word of being ready'))
  })
  return { bootstrap, log, end }
}
