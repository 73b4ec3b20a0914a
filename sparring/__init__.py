"""sparring"""
