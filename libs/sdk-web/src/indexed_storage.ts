import type { Message } from "./models.js";
import type { Pending, Snapshot, Storage } from "./storage.js";

const VERSION = 1;
const OUTBOX = "outbox";
const CACHE = "cache";
const SNAPSHOT = "snapshot";
const OPEN_MS = 5_000; // browsers have been seen never to answer: then nothing is kept

/** In IndexedDB, a database per server and user, shared by all tabs of the site. */
export class IndexedStorage implements Storage {
  #database: Promise<IDBDatabase>;

  constructor(private readonly name: string) {
    this.#database = open(name);
    this.#database.catch(() => {}); // told by each method
  }

  async pending(): Promise<Pending[]> {
    return this.#do(OUTBOX, "readonly", (store) => store.getAll() as IDBRequest<Pending[]>);
  }

  async add(pending: Omit<Pending, "order">): Promise<Pending> {
    const order = await this.#do(OUTBOX, "readwrite", (store) => store.add(pending));
    return { ...pending, order: Number(order) };
  }

  async replace(pending: Pending): Promise<void> {
    await this.#do(OUTBOX, "readwrite", (store) => {
      const there = store.count(pending.order);
      // in the same transaction, or what another tab has sent meanwhile would come back
      there.onsuccess = () => {
        if (there.result > 0) store.put(pending);
      };
      return there;
    });
  }

  async remove(order: number): Promise<void> {
    await this.#do(OUTBOX, "readwrite", (store) => store.delete(order));
  }

  async snapshot(): Promise<Snapshot | undefined> {
    return this.#do(CACHE, "readonly", (store) => store.get(SNAPSHOT) as IDBRequest<Snapshot | undefined>);
  }

  async keepSnapshot(snapshot: Snapshot): Promise<void> {
    await this.#do(CACHE, "readwrite", (store) => store.put(snapshot, SNAPSHOT));
  }

  async page(channelId: string): Promise<readonly Message[] | undefined> {
    return this.#do(CACHE, "readonly", (store) => store.get(`page:${channelId}`) as IDBRequest<Message[] | undefined>);
  }

  async keepPage(channelId: string, messages: readonly Message[]): Promise<void> {
    await this.#do(CACHE, "readwrite", (store) => store.put(messages, `page:${channelId}`));
  }

  async clear(): Promise<void> {
    try {
      const database = await this.#database;
      this.close(); // before: what comes late is not kept again
      const transaction = database.transaction([OUTBOX, CACHE], "readwrite");
      for (const name of [OUTBOX, CACHE]) transaction.objectStore(name).clear();
      await ended(transaction);
    } catch {
      this.close();
      await deleted(this.name); // earlier visits may have kept something all the same
    }
  }

  close(): void {
    this.#database.then((database) => database.close()).catch(() => {}); // once its transactions have ended
    this.#database = Promise.reject(new DOMException("the storage is closed", "InvalidStateError"));
    this.#database.catch(() => {});
  }

  async #do<T>(name: string, mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const transaction = (await this.#database).transaction(name, mode);
    const request = act(transaction.objectStore(name));
    await ended(transaction);
    return request.result;
  }
}

/** The transaction's end, not the request's: only then is it kept. */
function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Another tab that has it open puts it off until that is closed. */
function deleted(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    const late = () => reject(new DOMException("the browser does not delete its database", "TimeoutError"));
    const timer = setTimeout(late, OPEN_MS);
    request.onsuccess = () => {
      clearTimeout(timer);
      resolve();
    };
    request.onblocked = () => {
      clearTimeout(timer);
      reject(new DOMException("another tab has the database open", "InvalidStateError")); // it has no error so far
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(request.error);
    };
  });
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, VERSION); // where cookies are blocked, this throws, which rejects
    const late = setTimeout(() => {
      request.onsuccess = () => request.result.close();
      reject(new DOMException("the browser does not open its database", "TimeoutError"));
    }, OPEN_MS);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(OUTBOX, { keyPath: "order", autoIncrement: true });
      request.result.createObjectStore(CACHE);
    };
    request.onsuccess = () => {
      clearTimeout(late);
      const database = request.result;
      database.onversionchange = () => database.close(); // another tab signs out, and has it deleted
      resolve(database);
    };
    request.onerror = () => {
      clearTimeout(late);
      reject(request.error);
    };
  });
}
