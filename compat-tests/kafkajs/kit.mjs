// What the scenarios are made of: expected failures, kafkajs's clients that end with their scenario, waiting.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { kind } from './broker.mjs'

const PATIENCE_MS = 60_000
const SOON_MS = 20_000

const later = new Map(
  readFileSync(join(import.meta.dirname, 'later.txt'), 'utf8')
    .split('\n')
    .filter(line => line.trim() && !line.startsWith('#'))
    .map(line => line.split(/  +/, 2)),
)

const scenarios = []

// A test; on kwire one that later.txt lists must fail.
export function scenario(name, body) {
  const only = process.env.COMPAT_ONLY
  if (!only || name.includes(only)) scenarios.push([name, body])
}

export function runAll() {
  describe('kafkajs', { concurrency: 6 }, () => {
    for (const [name, body] of scenarios) test(name, { timeout: PATIENCE_MS }, () => attempt(name, body))
  })
}

async function attempt(name, body) {
  if (process.env.COMPAT_LISTING) return
  const reason = kind() === 'kwire' ? later.get(name) : undefined
  const clients = new Clients()
  let failure
  try {
    await body(clients)
  } catch (error) {
    failure = error
  } finally {
    await clients.close()
  }
  if (reason && !failure) {
    throw new Error(`passed, and later.txt expects it to fail (${reason}): turn it on by taking it off that list`)
  }
  if (failure && !reason) throw failure
}

class Clients {
  #open = []

  constructor() {
    this.kafka = new Kafka({
      clientId: 'compat-kafkajs',
      brokers: process.env.COMPAT_BOOTSTRAP.split(','),
      logLevel: process.env.KWIRE_TEST_TRACE ? logLevel.DEBUG : logLevel.NOTHING,
      retry: { initialRetryTime: 50, retries: 8 },
    })
  }

  async #connected(client) {
    this.#open.push(client)
    await client.connect()
    return client
  }

  admin() {
    return this.#connected(this.kafka.admin())
  }

  producer(options = {}) {
    return this.#connected(this.kafka.producer({ allowAutoTopicCreation: false, ...options }))
  }

  consumer(options) {
    return this.#connected(
      this.kafka.consumer({ heartbeatInterval: 200, maxWaitTimeInMs: 200, rebalanceTimeout: 10_000, ...options }),
    )
  }

  async topic(numPartitions = 1, configEntries = []) {
    const topic = unique('topic')
    const admin = await this.admin()
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, configEntries }] })
    // Apache Kafka names a leader a moment before that leader is ready
    await until('the topic has offsets', async () => {
      try {
        return (await admin.fetchTopicOffsets(topic)).length === numPartitions
      } catch {
        return false
      }
    })
    return topic
  }

  async close() {
    for (const client of this.#open.reverse()) {
      await Promise.race([client.disconnect(), pause(5_000)]).catch(() => {})
    }
  }
}

export const unique = prefix => `${prefix}-${randomBytes(6).toString('hex')}`

export const numbered = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

const pause = ms => new Promise(resolve => setTimeout(resolve, ms).unref())

// Asks until the answer is true.
export async function until(what, yes) {
  const deadline = Date.now() + SOON_MS
  for (;;) {
    const answer = await yes()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`after ${SOON_MS} ms still not: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

// Runs a consumer in the background; the array gets each {topic, partition, message}.
export async function collect(consumer, topic, fromBeginning = true, options = {}) {
  const seen = []
  await consumer.subscribe({ topic, fromBeginning })
  await consumer.run({ ...options, eachMessage: async one => void seen.push(one) })
  return seen
}

export async function read(clients, topic, count, options = {}) {
  const consumer = await clients.consumer({ groupId: unique('group'), ...options })
  const seen = await collect(consumer, topic)
  await until(`${count} messages`, () => seen.length >= count)
  return seen.map(({ message }) => message)
}
