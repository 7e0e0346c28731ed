"""What a person does with the page in a browser: look, write, press, read."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

LIMIT = 90.0  # s until a wait has failed; nobody waits that long unless much else runs
FLAGS = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--hide-scrollbars', '--window-size=1440,900']


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """Run a browser with an empty profile; Debian's, as selenium would fetch one."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which('chromium')
    for flag in [*FLAGS, f'--user-data-dir={folder}']:
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    service = webdriver.ChromeService(shutil.which('chromedriver'))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


class Screen:
    """A browser that shows the page."""

    def __init__(self, driver: Any, url: str, view: str = '') -> None:
        self.driver = driver
        driver.get('about:blank')
        driver.get_log('browser')  # what was said before is not ours
        driver.get(url + (f'#{view}' if view else ''))
        self.until(lambda: self.text('#lamp') not in ('', 'connecting', 'not connected'),
                   'the connection')

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Return the first true value."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f'waited in vain for {what}; page says: {self.text("body")[:1500]}')

    def text(self, selector: str) -> str:
        return self.run('return document.querySelector(arguments[0])?.innerText ?? ""', selector)

    def texts(self, selector: str) -> list[str]:
        return self.run('return [...document.querySelectorAll(arguments[0])]'
                        '.map((each) => each.innerText)', selector)

    def find(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        self.until(lambda: self.run(
            'const e = document.querySelector(arguments[0]); if (!e || e.disabled) return false;'
            'e.click(); return true', selector), selector)

    def write(self, selector: str, text: str) -> None:
        """Write into a field and press Enter."""
        for _ in range(5):
            with suppress(StaleElementReferenceException):  # drawn anew meanwhile
                field = self.find(selector)
                field.clear()
                field.send_keys(text, Keys.ENTER)
                return
        raise AssertionError(f'{selector} is always drawn anew')

    def press(self, *keys: str) -> None:
        """Press keys that no field takes."""
        self.run('document.activeElement.blur()')
        ActionChains(self.driver).send_keys(*keys).perform()

    def press_on(self, selector: str, key: str) -> None:
        """Press a key on what has the focus then."""
        self.run('document.querySelector(arguments[0]).focus()', selector)
        ActionChains(self.driver).send_keys(key).perform()

    def take_shots(self, key: str, answer: str, least: int = 3) -> None:
        """Hold the key of an answer until it has so many shots."""
        self.run('document.activeElement.blur()')
        ActionChains(self.driver).key_down(key).perform()
        try:
            self.until(lambda: self.shots(answer) >= least, f'shots of {answer}')
        finally:
            ActionChains(self.driver).key_up(key).perform()

    def ask(self, question: str) -> str:
        """Ask and return the large answer."""
        self.write('#question', question)
        self.until(lambda: self.text('.answer .asked') == question
                   and self.run('return !document.querySelector(".answer[aria-busy]")'),
                   f'an answer to {question!r}')
        return self.text('.answer .big')

    def teach(self, question: str, answers: tuple[str, ...]) -> None:
        """Go to the view that teaches, name a question and its answers."""
        self.press('t')
        self.write('#new-question', question)
        for answer in answers:
            self.write('#new-answer', answer)

    def shots(self, answer: str) -> int:
        """How many shots of an answer there are."""
        return int(self.text(f'[data-answer="{answer}"] small').split()[0])

    @property
    def pictures(self) -> int:
        """How many pictures were drawn."""
        return int(self.run('return document.getElementById("canvas").dataset.pictures ?? 0'))

    def sees(self, more: int = 3) -> bool:
        """Wait until so many more pictures were drawn."""
        before = self.pictures
        return self.until(lambda: self.pictures >= before + more, 'pictures')

    def complaints(self) -> list[str]:
        """Return what the browser logged since the last call."""
        return [entry['message'] for entry in self.driver.get_log('browser')]
