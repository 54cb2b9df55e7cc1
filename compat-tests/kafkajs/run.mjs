// Starts the broker, runs the scenarios with node:test, and holds their names against tests.allow.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { broker, kind, python } from './broker.mjs'

const here = import.meta.dirname
const options = process.argv.slice(2)
const wanted = options.filter(option => !option.startsWith('--'))
const strict = options.includes('--strict-ids') || process.env.CI === 'true'
const writing = options.includes('--write-allow')

const list = name =>
  readFileSync(join(here, name), 'utf8')
    .split('\n')
    .filter(line => line.trim() && !line.startsWith('#'))

process.env.COMPAT_ONLY = wanted.join(' ')
process.env.COMPAT_LISTING = writing ? 'yes' : ''
const served = writing ? { bootstrap: '', log: () => '', end: () => {} } : await broker()
process.env.COMPAT_BOOTSTRAP = served.bootstrap
if (!writing) console.log(`broker under test: ${kind()} at ${served.bootstrap}`)

const passed = []
const outcomes = {} // for ../support/compat/results.py
const expected = new Set(list('later.txt').map(line => line.split('  ')[0]))
let failed = 0
let skipped = 0
const results = run({ files: [join(here, 'scenarios.test.mjs')], concurrency: true, timeout: 280_000 })
results.on('test:pass', ({ name, nesting, skip, details }) => {
  if (!nesting) return // the suite as a whole
  if (process.env.KWIRE_TEST_TRACE) console.log(`${Math.round(details.duration_ms)} ms: ${name}`)
  if (skip !== undefined) skipped += 1
  else outcomes[name] = expected.has(name) ? 'later' : 'passed'
  passed.push(name)
})
results.on('test:fail', ({ name, nesting, details }) => {
  if (!nesting && passed.length + failed) return
  failed += 1
  outcomes[name] = 'failed'
  console.log(`FAILED ${name}\n${details.error.cause?.stack ?? details.error.cause ?? details.error}`)
})
results.on('test:stdout', ({ message }) => process.stdout.write(message))
results.on('test:stderr', ({ message }) => process.stderr.write(message))
results.resume() // without a reader it never ends
await new Promise(resolve => results.once('end', resolve))

if (writing) {
  const head = '# Every test of this suite; made by run.sh --write-allow.\n'
  writeFileSync(join(here, 'tests.allow'), head + passed.sort().map(name => `${name}\n`).join(''))
  console.log(`tests.allow has ${passed.length} tests`)
  process.exit(failed ? 1 : 0)
}
if (!wanted.length && kind() === 'kwire') {
  const { status, stderr } = spawnSync(python(), ['-m', 'compat.results', here], {
    input: JSON.stringify(outcomes),
    env: { ...process.env, PYTHONPATH: join(here, '../support') },
    encoding: 'utf8',
  })
  if (status) console.log(`the results are not written: ${stderr}`)
}
const problems = []
if (!wanted.length && !failed) {
  const allowed = new Set(list('tests.allow'))
  const found = new Set(passed)
  for (const name of allowed) if (!found.has(name)) problems.push(`${name} did not run`)
  for (const name of found) if (!allowed.has(name)) problems.push(`${name} is not in tests.allow (run.sh --write-allow)`)
  for (const line of list('later.txt')) {
    const [name] = line.split('  ')
    if (!allowed.has(name)) problems.push(`${name} is in later.txt and is no test`)
  }
  if (kind() === 'kwire' && skipped) problems.push(`${skipped} were skipped`)
  for (const problem of problems) console.log(`the list of tests: ${problem}`)
}
if (kind() === 'kwire' && served.log().includes('Traceback')) {
  console.log('the broker has logged a fault, whatever the clients saw of it')
  failed += 1
}
if (failed) console.log(`the broker's last words:\n${served.log().slice(-4000)}`)
console.log(`${passed.length - skipped} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed || (strict && problems.length) ? 1 : 0)
